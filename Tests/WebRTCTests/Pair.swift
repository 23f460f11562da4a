import NIOCore
import Testing

@testable import WebRTC

/// Two peers in this process, joined through real UDP sockets on the loopback interface.
///
/// Everything here runs on the transports' event loop; tests wait for `until` conditions, which are looked at after
/// every event and never by sleeping.
final class Pair {
    final class Side {
        let transport: WebRTCTransport
        let connection: PeerConnection
        var channels: [String: DataChannel] = [:]
        var messages: [(label: String, message: ByteBuffer, kind: DataChannelMessageKind)] = []
        var opened: [String] = []
        var closed: [String] = []
        var lows: [String] = []
        var errors: [DataChannelError] = []
        var candidates: [IceCandidate] = []

        init(_ transport: WebRTCTransport) throws {
            self.transport = transport
            self.connection = try transport.makePeerConnection()
        }
    }

    let a: Side
    let b: Side
    private var waiters: [(condition: (Pair) -> Bool, promise: EventLoopPromise<Void>)] = []

    init(_ first: WebRTCTransport, _ second: WebRTCTransport) throws {
        self.a = try Side(first)
        self.b = try Side(second)
        for side in [self.a, self.b] {
            side.connection.onDataChannel = { [weak self, weak side] in if let side { self?.adopt($0, at: side) } }
            side.connection.onConnectionStateChange = { [weak self] _ in self?.check() }
            side.connection.onICECandidate = { [weak side] in side?.candidates.append($0) }
        }
    }

    func adopt(_ channel: DataChannel, at side: Side) {
        let label = channel.label
        side.channels[label] = channel
        channel.onOpen = { [weak self, weak side] in
            side?.opened.append(label)
            self?.check()
        }
        channel.onClose = { [weak self, weak side] in
            side?.closed.append(label)
            self?.check()
        }
        channel.onBufferedAmountLow = { [weak self, weak side] in
            side?.lows.append(label)
            self?.check()
        }
        channel.onError = { [weak side] in side?.errors.append($0) }
        channel.onMessage = { [weak self, weak side] message, kind in
            side?.messages.append((label, message, kind))
            self?.check()
        }
    }

    func create(_ label: String, at side: Side, _ configuration: DataChannelConfiguration = .init()) throws {
        self.adopt(try side.connection.createDataChannel(label: label, configuration), at: side)
    }

    /// Exchanges the descriptions, edited on their way if need be; `a` offers.
    func signal(edit: (String) -> String = { $0 }, editOffer: (String) -> String = { $0 }) throws {
        let offer = try self.a.connection.createOffer()
        try self.b.connection.setRemoteDescription(SessionDescription(type: .offer, sdp: editOffer(offer.sdp)))
        let answer = try self.b.connection.createAnswer()
        try self.a.connection.setRemoteDescription(SessionDescription(type: .answer, sdp: edit(answer.sdp)))
    }

    /// Fulfils the promise once the condition holds.
    func until(_ condition: @escaping (Pair) -> Bool, _ promise: EventLoopPromise<Void>) {
        self.waiters.append((condition, promise))
        self.check()
    }

    private func check() {
        let ready = self.waiters.filter { $0.condition(self) }
        self.waiters.removeAll { waiter in ready.contains { $0.promise.futureResult === waiter.promise.futureResult } }
        for waiter in ready { waiter.promise.succeed(()) }
    }
}

/// A pair that a test, which runs anywhere, can use.
struct BoundPair: Sendable {
    let pair: NIOLoopBound<Pair>
    let transports: [WebRTCTransport]
    var loop: any EventLoop { WebRTCEventLoop.loop }

    static func make(_ first: WebRTCConfiguration, _ second: WebRTCConfiguration) async throws -> BoundPair {
        let transports = [try await WebRTCTransport.bind(first), try await WebRTCTransport.bind(second)]
        let pair = try await WebRTCEventLoop.loop.submit {
            NIOLoopBound(try Pair(transports[0], transports[1]), eventLoop: WebRTCEventLoop.loop)
        }.get()
        return BoundPair(pair: pair, transports: transports)
    }

    @discardableResult
    func run<Result: Sendable>(_ body: @escaping @Sendable (Pair) throws -> Result) async throws -> Result {
        try await self.loop.submit { try body(self.pair.value) }.get()
    }

    /// Waits for the condition, until the time limit of the test cancels it.
    func until(_ condition: @escaping @Sendable (Pair) -> Bool) async throws {
        let promise = self.loop.makePromise(of: Void.self)
        try await withTaskCancellationHandler {
            self.loop.execute { self.pair.value.until(condition, promise) }
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
        }
    }

    func close() {
        for transport in self.transports { transport.close() }
    }
}

extension WebRTCConfiguration {
    /// Bound to one loopback address.
    static func loopback(_ address: String = "127.0.0.1") -> WebRTCConfiguration {
        var configuration = WebRTCConfiguration()
        configuration.bindAddresses = [address]
        return configuration
    }
}

/// Runs a test against a pair that is connected through one channel called "chat".
func withConnectedPair(
    _ first: WebRTCConfiguration = .loopback(),
    _ second: WebRTCConfiguration = .loopback(),
    channel: DataChannelConfiguration = .init(),
    _ body: (BoundPair) async throws -> Void
) async throws {
    let bound = try await BoundPair.make(first, second)
    defer { bound.close() }
    try await bound.run { pair in
        try pair.create("chat", at: pair.a, channel)
        try pair.signal()
    }
    try await bound.until { $0.a.opened == ["chat"] && $0.b.opened == ["chat"] }
    try await body(bound)
}
