public import NIOCore
import NIOPosix
public import NetworkEmulation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A bad network between UDP sockets of this machine, in real time: each end sends to a socket of the link's and hears the
/// other end from there.
///
/// It joins one pair of sockets or several; those share the paths, and so the bottleneck, of both directions.
public final class LossyLink: Sendable {
    /// One of the two ends.
    public enum End: Int, Sendable {
        /// The end given first.
        case first = 0
        /// The end given second.
        case second = 1
    }

    /// For each pair where its first end has to send to, to reach the second; and the other way round.
    public let doors: [[SocketAddress]]
    /// The same of the first pair.
    public var addresses: [SocketAddress] { self.doors[0] }
    private let core: NIOLoopBound<Core>
    private let loop: any EventLoop

    private init(core: Core, loop: any EventLoop, doors: [[SocketAddress]]) {
        self.core = NIOLoopBound(core, eventLoop: loop)
        self.loop = loop
        self.doors = doors
    }

    /// Opens a link between two sockets on the IPv4 loopback.
    ///
    /// - Parameters:
    ///   - ports: UDP ports of the two ends.
    ///   - random: One generator for each direction: what the first end sends, and what the second sends.
    public static func open(
        between ports: (Int, Int),
        _ conditions: PathConditions,
        random: @escaping @Sendable (End) -> any RandomNumberGenerator
    ) async throws -> LossyLink {
        try await Self.open(between: [ports], conditions, conditions, random: random)
    }

    /// Opens a link that several pairs of sockets on the IPv4 loopback share. It runs on a thread of its own, so that what
    /// it joins cannot slow it down.
    ///
    /// - Parameters:
    ///   - pairs: UDP ports of the two ends of each.
    ///   - forth: what befalls what the first ends send.
    ///   - back: what befalls what the second ends send.
    ///   - random: One generator for each direction.
    public static func open(
        between pairs: [(Int, Int)],
        _ forth: PathConditions,
        _ back: PathConditions,
        random: @escaping @Sendable (End) -> any RandomNumberGenerator
    ) async throws -> LossyLink {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        return try await loop.flatSubmit {
            let core = Core([forth, back], random: random)
            let bound = NIOLoopBound(core, eventLoop: loop)
            let channels = pairs.enumerated().flatMap { flow, ports in
                [(End.first, ports.0), (End.second, ports.1)].map { end, port in
                    Self.bind(end, flow: flow, port: port, bound, loop)
                }
            }
            return EventLoopFuture.whenAllSucceed(channels, on: loop).flatMapThrowing { channels in
                let core = bound.value
                core.channels = stride(from: 0, to: channels.count, by: 2).map { [channels[$0], channels[$0 + 1]] }
                return LossyLink(
                    core: core,
                    loop: loop,
                    doors: try core.channels.map { try $0.map { try $0.address() } }
                )
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
        let statistics = try await self.statistics()
        return (statistics.reduce(0) { $0 + $1.dropped }, statistics.reduce(0) { $0 + $1.delivered })
    }

    /// What became of the datagrams so far: of those the first ends sent, and those the second sent.
    public func statistics() async throws -> [PathStatistics] {
        try await self.loop.submit { self.core.value.paths.map(\.statistics) }.get()
    }

    /// Closes the link's sockets.
    public func close() {
        self.loop.execute { self.core.value.close() }
    }

    private static func bind(
        _ end: End,
        flow: Int,
        port: Int,
        _ core: NIOLoopBound<Core>,
        _ loop: any EventLoop
    ) -> EventLoopFuture<any Channel> {
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
                    try channel.pipeline.syncOperations.addHandler(
                        Handler(core: core.value, end: end, flow: flow, port: port)
                    )
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
    var paths: [NetworkPath<Parcel>]
    /// By flow, then by end.
    var channels: [[any Channel]] = []
    private var timer: Scheduled<Void>?
    private var armed: NIODeadline?

    struct Parcel {
        var flow: Int
        var datagram: ByteBuffer
    }

    init(_ conditions: [PathConditions], random: (LossyLink.End) -> any RandomNumberGenerator) {
        self.paths = zip(conditions, [LossyLink.End.first, .second]).map { NetworkPath($0, random: random($1)) }
    }

    /// Something came from an end, perhaps several datagrams in one read.
    func receive(_ datagram: ByteBuffer, of flow: Int, from end: LossyLink.End) {
        let parcel = Parcel(flow: flow, datagram: datagram)
        self.paths[end.rawValue].handle(parcel, size: datagram.readableBytes, at: NIODeadline.now().sinceBoot)
    }

    /// Delivers what is due and arms the timer for what follows.
    func pump() {
        guard !self.channels.isEmpty else { return }
        let now = NIODeadline.now().sinceBoot
        for index in 0..<2 {
            var written: Set<Int> = []
            while let parcel = self.paths[index].nextOutput(at: now) {
                self.channels[parcel.flow][1 - index].write(parcel.datagram, promise: nil)
                written.insert(parcel.flow)
            }
            for flow in written { self.channels[flow][1 - index].flush() }
        }
        self.arm()
    }

    private func arm() {
        guard let next = self.paths.compactMap(\.deadline).min(), let loop = self.channels.first?.first?.eventLoop
        else {
            return
        }
        let due = NIODeadline.uptimeNanoseconds(UInt64(clamping: next.inNanoseconds))
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
        for channel in self.channels.joined() { channel.close(promise: nil) }
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
    private let flow: Int
    private let peer: SocketAddress

    init(core: Core, end: LossyLink.End, flow: Int, port: Int) throws {
        self.core = core
        self.end = end
        self.flow = flow
        self.peer = try SocketAddress(ipAddress: "127.0.0.1", port: port)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = self.unwrapInboundIn(data)
        // Anyone else on the machine could send here.
        if envelope.remoteAddress == self.peer { self.core.receive(envelope.data, of: self.flow, from: self.end) }
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

extension NIODeadline {
    fileprivate var sinceBoot: Duration { .nanoseconds(Int64(clamping: self.uptimeNanoseconds)) }
}
