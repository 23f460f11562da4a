import CDatagram
import NIOCore
import NIOPosix

/// Notices that the host's addresses may have changed: by a route socket where there is one (Linux), by looking from time
/// to time elsewhere. Whether they have, the one who is called must find out.
final class AddressMonitor {
    private let eventLoop: any EventLoop
    private let pollInterval: TimeAmount
    private let onChange: () -> Void
    private var channel: (any Channel)?
    private var poll: RepeatedTask?
    private var pending: Scheduled<Void>?
    private var isClosed = false

    /// Changes come in bunches: an interface goes up, gets an address, then another one.
    private static let settling = TimeAmount.milliseconds(50)

    init(eventLoop: any EventLoop, pollInterval: TimeAmount, onChange: @escaping () -> Void) {
        self.eventLoop = eventLoop
        self.pollInterval = pollInterval
        self.onChange = onChange
        #if os(Linux)
        let descriptor = pt_open_address_monitor()
        guard descriptor >= 0 else {
            self.startPolling()
            return
        }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let registration = NIOPipeBootstrap(group: eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AddressEventHandler(monitor: bound.value))
                }
            }
            .takingOwnershipOfDescriptor(input: descriptor)
        registration.whenComplete { result in
            let monitor = bound.value
            switch result {
            case .success(let channel) where monitor.isClosed: channel.close(promise: nil)
            case .success(let channel): monitor.channel = channel
            case .failure: monitor.startPolling()
            }
        }
        #else
        self.startPolling()
        #endif
    }

    func close() {
        self.isClosed = true
        self.pending?.cancel()
        self.poll?.cancel()
        self.channel?.close(promise: nil)
        self.channel = nil
    }

    fileprivate func noticed() {
        guard self.pending == nil, !self.isClosed else { return }
        self.pending = self.eventLoop.assumeIsolated().scheduleTask(in: Self.settling) {
            self.pending = nil
            if !self.isClosed { self.onChange() }
        }
    }

    /// Also when the route socket has broken: its queue may have overflowed.
    fileprivate func startPolling() {
        guard !self.isClosed, self.poll == nil else { return }
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.poll = self.eventLoop.scheduleRepeatedTask(
            initialDelay: self.pollInterval,
            delay: self.pollInterval
        ) { _ in
            if !bound.value.isClosed { bound.value.onChange() }
        }
    }
}

#if os(Linux)
/// What the route socket says does not matter, only that it says something.
private final class AddressEventHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private weak var monitor: AddressMonitor?

    init(monitor: AddressMonitor) {
        self.monitor = monitor
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.monitor?.noticed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.monitor?.startPolling()
    }
}
#endif
