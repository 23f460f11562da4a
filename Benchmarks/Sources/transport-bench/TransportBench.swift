import Foundation
import NIOCore
import WebRTC

/// `transport-bench source|relay|sink|ping|pong [--children N] [--size BYTES] [--count N] [--credit BYTES]`
@main
struct TransportBench {
    static func main() async throws {
        guard let options = RoleOptions(arguments: Array(CommandLine.arguments.dropFirst())) else {
            complain("usage: transport-bench source|relay|sink|ping|pong [--children N] [--size BYTES] [--count N]")
            exit(64)
        }
        var configuration = WebRTCConfiguration()
        configuration.bindAddresses = ["127.0.0.1"]
        configuration.includeLoopbackCandidates = true
        let transport = try await WebRTCTransport.bind(configuration)
        let loop = transport.eventLoop
        let peer = try await loop.submit {
            let peer = BenchPeer(transport: transport, options: options)
            peer.begin()
            return NIOLoopBound(peer, eventLoop: loop)
        }.get()
        // The runner's commands come on standard input; when it closes that, we are done.
        while let text = readLine() {
            let line = try JSONDecoder().decode(RunnerLine.self, from: Data(text.utf8))
            loop.execute { peer.value.handle(line) }
        }
        // Its channels may still call it.
        withExtendedLifetime(peer) { exit(0) }
    }
}

func complain(_ message: String) {
    FileHandle.standardError.write(Data("\(message)\n".utf8))
}

/// What a role was told on the command line.
struct RoleOptions: Sendable {
    enum Role: String {
        case source, relay, sink, ping, pong
    }

    var role: Role
    var children = 1
    var size = 16384
    var count = 10000
    /// Bytes a source sends ahead of the relay's credit; nil sends as fast as the link takes it.
    var credit: Int?

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
            case "--credit": credit = value
            default: return nil
            }
        }
    }
}
