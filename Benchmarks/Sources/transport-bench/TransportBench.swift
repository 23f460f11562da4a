import Foundation
import NIOCore
import WebRTC

/// `transport-bench ROLE [--children N] [--size BYTES] [--count N] [--parallel N] [--credit BYTES] [--rate BYTES]`
@main
struct TransportBench {
    static func main() async throws {
        guard let options = RoleOptions(arguments: Array(CommandLine.arguments.dropFirst())) else {
            complain(
                "usage: transport-bench source|relay|sink|ping|pong|dial|accept|loops [--children N] [--size BYTES] …"
            )
            exit(64)
        }
        switch options.role {
        case .accept: try await Acceptor.run()
        case .dial: try await Dialler.run(options)
        case .loops: try await Loops.run(options)
        case .source, .relay, .sink, .ping, .pong: try await runPeer(options)
        }
        exit(0)
    }

    private static func runPeer(_ options: RoleOptions) async throws {
        let transport = try await bindLoopback()
        let loop = transport.eventLoop
        let peer = try await loop.submit {
            let peer = BenchPeer(transport: transport, options: options)
            peer.begin()
            return NIOLoopBound(peer, eventLoop: loop)
        }.get()
        for try await line in RunnerLine.input { loop.execute { peer.value.handle(line) } }
        // Its channels may still call it.
        withExtendedLifetime(peer) { exit(0) }
    }
}

/// A transport on the IPv4 loopback, as all programs compared here use it.
func bindLoopback() async throws -> WebRTCTransport {
    var configuration = WebRTCConfiguration()
    configuration.bindAddresses = ["127.0.0.1"]
    configuration.includeLoopbackCandidates = true
    return try await WebRTCTransport.bind(configuration)
}

func complain(_ message: String) {
    FileHandle.standardError.write(Data("\(message)\n".utf8))
}

/// What a role was told on the command line.
struct RoleOptions: Sendable {
    enum Role: String {
        case source, relay, sink, ping, pong, dial, accept, loops
    }

    var role: Role
    var children = 1
    var size = 16384
    var count = 10000
    /// Connections under way at a time; event loops.
    var parallel = 1
    /// Bytes a source sends ahead of the relay's credit; nil sends as fast as the link takes it.
    var credit: Int?
    /// Bytes a source sends per second; nil sends as fast as the link takes it.
    var rate: Int?

    init?(arguments: [String]) {
        guard let role = arguments.first.flatMap(Role.init(rawValue:)) else { return nil }
        self.role = role
        var rest = arguments.dropFirst()
        while let name = rest.popFirst() {
            guard let value = rest.popFirst().flatMap({ Int($0) }), value > 0 else { return nil }
            switch name {
            case "--children": children = value
            case "--size": size = value
            case "--count": count = value
            case "--parallel": parallel = value
            case "--credit": credit = value
            case "--rate": rate = value
            default: return nil
            }
        }
    }
}
