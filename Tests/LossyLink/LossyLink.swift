public import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A bad network between two UDP sockets of this machine: each end sends to the link's socket on its side and hears
/// the other end from there.
public final class LossyLink: Sendable {
    /// One of the two ends.
    public enum End: Int, Sendable {
        /// The end given first.
        case first = 0
        /// The end given second.
        case second = 1
    }

    /// Where the first end has to send to, to reach the second; and the other way round.
    public let addresses: [SocketAddress]
    private let core: NIOLoopBound<Core>
    private let loop: any EventLoop

    private init(core: Core, loop: any EventLoop, addresses: [SocketAddress]) {
        self.core = NIOLoopBound(core, eventLoop: loop)
        self.loop = loop
        self.addresses = addresses
    }

    /// Opens a link between two sockets on the IPv4 loopback. It runs on a thread of its own, so that what it joins
    /// cannot slow it down.
    ///
    /// - Parameters:
    ///   - ports: UDP ports of the two ends.
    ///   - random: One generator for each direction: what the first end sends, and what the second sends.
    public static func open(
        between ports: (Int, Int),
        _ conditions: PathConditions,
        random: @escaping @Sendable (End) -> any RandomNumberGenerator
    ) async throws -> LossyLink {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        return try await loop.flatSubmit {
            let core = Core(conditions, random: random)
            let bound = NIOLoopBound(core, eventLoop: loop)
            let channels = [(End.first, ports.0), (End.second, ports.1)].map { end, port in
                Self.bind(end, port: port, bound, loop)
            }
            return EventLoopFuture.whenAllSucceed(channels, on: loop).flatMapThrowing { channels in
                bound.value.channels = channels
                return LossyLink(core: bound.value, loop: loop, addresses: try channels.map { try $0.address() })
            }
        }.get()
    }

    /// Changes what happens to datagrams sent from now on, in both directions.
    public func set(_ conditions: PathConditions) {
        self.loop.execute {
            for index in 0..<2 { self.core.value.paths[index].conditions = conditions }
        }
    }

    /// Datagrams dropped and delivered so far, both directions together.
    public func counts() async throws -> (dropped: Int, delivered: Int) {
        try await self.loop.submit {
            let paths = self.core.value.paths
            return (paths.reduce(0) { $0 + $1.dropped }, paths.reduce(0) { $0 + $1.delivered })
        }.get()
    }

    /// Closes the link's sockets.
    public func close() {
        self.loop.execute { self.core.value.close() }
    }

    private static func bind(_ end: End, port: Int, _ core: NIOLoopBound<Core>, _ loop: any EventLoop)
        -> EventLoopFuture<any Channel>
    {
        DatagramBootstrap(group: loop)
            .channelOption(.datagramVectorReadMessageCount, value: 64)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 * 2048))
            .channelOption(.socketOption(.so_rcvbuf), value: 8 << 20)
            .channelInitializer { channel in
                #if os(Linux)
                // Beyond the system's limit where the process may.
                let force = ChannelOptions.Types.SocketOption(level: .socket, name: .init(rawValue: SO_RCVBUFFORCE))
                let grown = channel.setOption(force, value: 8 << 20).recover { _ in }
                #else
                let grown = channel.eventLoop.makeSucceededVoidFuture()
                #endif
                return grown.flatMapThrowing {
                    try channel.pipeline.syncOperations.addHandler(Handler(core: core.value, end: end, port: port))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
    }
}

extension Channel {
    fileprivate func address() throws -> SocketAddress {
        guard let address = self.localAddress else { throw ChannelError.unknownLocalAddress }
        return address
    }
}

/// The loop-bound part: two paths and their timer.
private final class Core {
    var paths: [LossyPath]
    var channels: [any Channel] = []
    private var timer: Scheduled<Void>?
    private var armed: NIODeadline?

    init(_ conditions: PathConditions, random: (LossyLink.End) -> any RandomNumberGenerator) {
        self.paths = [.first, .second].map { LossyPath(conditions, random: random($0)) }
    }

    /// Something came from an end, perhaps several datagrams in one read.
    func receive(_ datagram: ByteBuffer, from end: LossyLink.End) {
        self.paths[end.rawValue].handle(datagram, at: .now())
    }

    /// Delivers what is due and arms the timer for what follows.
    func pump() {
        let now = NIODeadline.now()
        for index in 0..<2 where self.channels.count == 2 {
            let target = self.channels[1 - index]
            var wrote = false
            while let datagram = self.paths[index].nextOutput(at: now) {
                target.write(datagram, promise: nil)
                wrote = true
            }
            if wrote { target.flush() }
        }
        self.arm()
    }

    private func arm() {
        guard let due = self.paths.compactMap(\.deadline).min(), let loop = self.channels.first?.eventLoop else {
            return
        }
        if let armed, armed <= due { return }
        self.timer?.cancel()
        self.armed = due
        self.timer = loop.assumeIsolated().scheduleTask(deadline: due) {
            self.armed = nil
            self.pump()
        }
    }

    func close() {
        self.timer?.cancel()
        for channel in self.channels { channel.close(promise: nil) }
        self.channels = []
    }
}

/// One socket of the link.
private final class Handler: ChannelDuplexHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let core: Core
    private let end: LossyLink.End
    private let peer: SocketAddress

    init(core: Core, end: LossyLink.End, port: Int) throws {
        self.core = core
        self.end = end
        self.peer = try SocketAddress(ipAddress: "127.0.0.1", port: port)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = self.unwrapInboundIn(data)
        // Anyone else on the machine could send here.
        if envelope.remoteAddress == self.peer { self.core.receive(envelope.data, from: self.end) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.core.pump()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let envelope = AddressedEnvelope(remoteAddress: self.peer, data: self.unwrapOutboundIn(data))
        context.write(self.wrapOutboundOut(envelope), promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A refused datagram is a lost datagram.
    }
}
