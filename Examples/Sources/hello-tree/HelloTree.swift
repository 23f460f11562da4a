import PeerTreeClient
import PeerTreeServer
import SocketIO

/// A server, a source and three viewers. The source feeds one viewer, that one the two others.
@main
struct HelloTree {
    static func main() async throws {
        let io = SocketIOServer()
        let server = PeerTreeServer(io, k: 2, k1: 1)
        let port = try await io.listen(port: 0).port ?? 0
        let url = "http://127.0.0.1:\(port)"

        let source = try await PeerTreeClient(SocketIOClient(url: url))
        let tree = try await source.create()
        var viewers: [PeerTreeClient] = []
        for _ in 0..<3 {
            let viewer = try await PeerTreeClient(SocketIOClient(url: url))
            try await viewer.connect(tree)
            viewers.append(viewer)
        }
        print("\(await server.status.peers) peers in tree \(tree)")

        let printing = viewers.enumerated().map { index, viewer in
            Task {
                for try await message in viewer.messages { print("viewer \(index): \(message.text)") }
            }
        }
        for number in 1...3 { try await source.write("message \(number)") }
        try await source.finish()

        for task in printing { try await task.value }
        for viewer in viewers { await viewer.close() }
        await source.close()
        await io.close()
    }
}
