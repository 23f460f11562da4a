import NIOCore
import NIOPosix
import PeerTreeCore
import PeerTreeSignalling
import SocketIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The loops of a server, each with a `SignallingService` of its own, over one Socket.IO server. Sockets and trees are spread
/// over them by their ids.
final class SignallingDriver: Sendable {
    private let io: SocketIOServer
    private let loops: [SignallingLoop]
    private let metrics = MetricsRecorder()

    /// - Parameters:
    ///   - count: How many loops; at least one.
    ///   - port: Leads to the other nodes of a cluster; nil if the server is one node.
    init(
        io: SocketIOServer,
        loops count: Int,
        options: SignallingOptions,
        security: SignallingSecurity,
        port: NodePort?
    ) {
        self.io = io
        var options = options
        options.unixTimeAtZero = Self.unixTimeAtZero
        let startedAt = Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds)
        let term = port == nil ? SlotTerm(startedAt: Self.unixNanoseconds / 1_000_000) : nil
        let limits = SharedLimits(options)
        let discovery = DiscoveryTimer()
        loops = (0..<max(1, count)).map { number in
            let service = SignallingService(
                options: options,
                security: security,
                term: term,
                startedAt: startedAt,
                part: SignallingPart(number, of: max(1, count)),
                limits: limits
            )
            let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
            return SignallingLoop(io: io, service: service, on: eventLoop, discovery: discovery, port: port)
        }
        for loop in loops { loop.meet(loops) }
    }

    deinit {
        // They hold each other.
        for loop in loops { loop.meet([]) }
    }

    /// The Unix time, in seconds, at which the monotonic clock stood at zero.
    private static var unixTimeAtZero: UInt64 {
        let (now, uptime) = (unixNanoseconds / 1_000_000_000, NIODeadline.now().uptimeNanoseconds / 1_000_000_000)
        return now - min(uptime, now)
    }

    private static var unixNanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec)
    }

    func start() {
        io.onConnection { [weak self] socket in
            let token = socket.handshake.auth["token"]?.stringValue
            let address = AddressKey(socket.handshake.remoteAddress)?.number
            self?.loop(of: socket.id).receive(.connected(id: socket.id, address: address, token: token))
        }
        io.onEvent { [weak self] socket, event in
            let input = SignallingService.Input.event(id: socket.id, name: event.name, arguments: event.arguments)
            self?.loop(of: socket.id).receive(input)
        }
        io.onDisconnect { [weak self] socket, _ in
            self?.loop(of: socket.id).receive(.disconnected(id: socket.id))
        }
    }

    private func loop(of socket: String) -> SignallingLoop {
        loops[SignallingPart.part(ofSocket: socket, of: loops.count)]
    }

    var loopCount: Int { loops.count }

    /// Tells all loops.
    func hear(_ input: SignallingService.Input) {
        for loop in loops { loop.receive(input) }
    }

    func hear(at loop: Int, _ read: @escaping @Sendable () -> [PartMessage]) {
        if loops.indices.contains(loop) { loops[loop].take(read) }
    }

    /// Where questions of dashboards are asked.
    var first: SignallingLoop { loops[0] }

    /// Clients can come from now on.
    func canBeReached() async {
        for loop in loops { await loop.canBeReached() }
    }

    /// Tells every peer that the server is about to stop.
    func sayGoodbye() async {
        for loop in loops { await loop.sayGoodbye() }
    }

    /// Brings what the metrics system knows up to date.
    ///
    /// - Parameter node: What the server has as a node of a cluster; nil if it is none.
    func recordMetrics(of node: NodeFigures?) async {
        await metrics.record(figures, io.refusals, node)
    }

    /// What all loops have together.
    var list: TreeList {
        get async {
            var list = TreeList()
            for loop in loops { list.add(await loop.list) }
            return list
        }
    }

    var readiness: SignallingService.Readiness {
        get async {
            var found: [SignallingService.Readiness] = []
            for loop in loops { found.append(await loop.readiness) }
            return found.contains(.stopping) ? .stopping : found.contains(.restoring) ? .restoring : .ready
        }
    }

    /// Of all loops together.
    var figures: SignallingFigures {
        get async {
            var sum = SignallingFigures()
            for loop in loops { sum.add(await loop.figures) }
            return sum
        }
    }
}
