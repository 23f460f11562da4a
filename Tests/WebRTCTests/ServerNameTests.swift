import Dispatch
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import WebRTC

/// Names of STUN and TURN servers that are not found at first.
@Suite("Names of servers", .timeLimit(.minutes(5)))
struct ServerNameTests {
    private static let loop = WebRTCEventLoop.loop

    private static func core(
        _ servers: HostResolver,
        peers: HostResolver = .ofPeers,
        retry: TimeAmount = .milliseconds(20)
    ) async throws -> NIOLoopBound<TransportCore> {
        var configuration = WebRTCConfiguration.loopback()
        configuration.ice.serverRetry = retry
        configuration.iceServers = [ICEServer(urls: ["stun:stun.example.org:9"])]
        let (settings, loop) = (configuration, Self.loop)
        let core = try await loop.submit {
            let core = try TransportCore(settings, eventLoop: loop, names: .init(ofServers: servers, ofPeers: peers))
            return NIOLoopBound(core, eventLoop: loop)
        }.get()
        try await loop.flatSubmit { core.value.register() }.get()
        return core
    }

    @Test("A server whose name is not found twice is used when it is found the third time")
    func failsTwice() async throws {
        let asked = Mutex<[NIODeadline]>([])
        let (found, continuation) = AsyncStream.makeStream(of: Void.self)
        let resolver = HostResolver { _, port in
            let count = asked.withLock { asked in
                asked.append(.now())
                return asked.count
            }
            guard count > 2 else { return [] }
            continuation.yield()
            return [TransportAddress(ipv4: 0x7F00_0001, port: port)]
        }
        let core = try await Self.core(resolver)
        let settled = try await Self.loop.submit {
            let connection = try core.value.makePeerConnection()
            _ = try connection.createOffer()
            return connection.iceGatheringState
        }.get()
        #expect(settled == .gathering)
        var iterator = found.makeAsyncIterator()
        await iterator.next()
        // The session with the server is begun on the loop, once the answer has come there.
        while try await Self.loop.submit({ core.value.servers.sessionCount }).get() == 0 {
            try await Self.loop.scheduleTask(in: .milliseconds(1)) {}.futureResult.get()
        }
        let times = asked.withLock { $0 }
        #expect(times.count == 3)
        #expect(times[1] - times[0] >= .milliseconds(20), "not at once")
        #expect(times[2] - times[1] >= .milliseconds(40), "later each time")
        try await Self.loop.submit { core.value.close() }.get()
    }

    @Test("Names that peers chose and that lead nowhere, slowly, do not keep servers from being found")
    func peersDoNotBlockServers() async throws {
        let gate = Gate()
        let peers = HostResolver { _, _ in
            gate.wait()
            return []
        }
        let (found, continuation) = AsyncStream.makeStream(of: Void.self)
        let servers = HostResolver { _, port in
            continuation.yield()
            return [TransportAddress(ipv4: 0x7F00_0001, port: port)]
        }
        let core = try await Self.core(servers, peers: peers)
        try await Self.loop.submit {
            // As many names as all look-ups together may be.
            for number in 0..<40 {
                let connection = try core.value.makePeerConnection(servers: [])
                for name in 0..<4 {
                    let line = "candidate:1 1 udp 1 n\(number)-\(name).local 9 typ host"
                    try connection.addICECandidate(IceCandidate(candidate: line, sdpMid: "0", sdpMLineIndex: 0))
                }
            }
            _ = try core.value.makePeerConnection().createOffer()
        }.get()
        var iterator = found.makeAsyncIterator()
        await iterator.next()
        gate.open()
        try await Self.loop.submit { core.value.close() }.get()
    }
}

/// Holds threads up until it is opened.
private final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func wait() {
        self.semaphore.wait()
        self.semaphore.signal()
    }

    func open() { self.semaphore.signal() }
}
