import NIOCore
import PeerTreeClient
import PeerTreeCore
import PeerTreeServer
import SocketIO
import TestSupport
import Testing

/// A server on a free port, for the time of one test.
private func withServer(k: Int = 2, k1: Int = 1, _ body: (String) async throws -> Void) async throws {
    let io = SocketIOServer()
    let server = PeerTreeServer(io, k: k, k1: k1)
    let port = try await io.listen(host: "127.0.0.1", port: 0).port ?? 0
    do {
        try await body("http://127.0.0.1:\(port)")
    } catch {
        await io.close()
        throw error
    }
    await io.close()
    _ = server
}

private func makeClient(
    _ url: String,
    _ configuration: PeerTreeClientConfiguration = PeerTreeClientConfiguration()
) async throws -> PeerTreeClient {
    try await PeerTreeClient(SocketIOClient(url: url), configuration: configuration)
}

@Suite("A client over real sockets", .serialized, .timeLimit(.minutes(3)))
struct ClientTests {
    @Test("Messages travel through relays, and everyone sees the end")
    func tree() async throws {
        try await withServer { url in
            let source = try await makeClient(url)
            let tree = try await source.create()
            let written = ["first", "", String(repeating: "long ", count: 20_000), "last"]
            let readers = try await (0..<4).asyncMap { _ in
                let viewer = try await makeClient(url)
                try await viewer.connect(tree)
                return (viewer, Task { try await viewer.messages.reduce(into: []) { $0.append($1.text) } })
            }
            for text in written { try await source.write(text) }
            try await source.finish()
            for (viewer, reader) in readers {
                #expect(try await reader.value == written)
                #expect(await viewer.end == .complete)
            }
            await source.complete()
            for (viewer, _) in readers { await viewer.close() }
            await source.close()
        }
    }

    @Test("The original's events come in their order")
    func events() async throws {
        try await withServer { url in
            let source = try await makeClient(url)
            let tree = try await source.create()
            let viewer = try await makeClient(url)
            let events = viewer.events
            try await viewer.connect(tree)
            try await source.finish()
            var names: [String] = []
            loop: for await event in events {
                switch event {
                case .discover(let id, _):
                    #expect(id == tree)
                    names.append("discover")
                case .connect: names.append("connect")
                case .disconnect(let end):
                    #expect(end == .complete)
                    names.append("disconnect")
                    break loop
                default: break
                }
            }
            #expect(names == ["discover", "connect", "disconnect"])
            await viewer.close()
            await source.close()
        }
    }

    @Test("Links get new paths by ICE restarts, from either end, while the stream goes on")
    func restarts() async throws {
        try await withServer { url in
            let source = try await makeClient(url)
            let tree = try await source.create()
            let viewer = try await makeClient(url)
            let events = viewer.events
            try await viewer.connect(tree)
            let reader = Task { try await viewer.messages.reduce(into: []) { $0.append($1.text) } }
            loop: for await event in events { if case .upstreamPeer = event { break loop } }
            for (count, restarting) in [viewer, source].enumerated() {
                try await source.write("before \(count)")
                await restarting.restartICE()
                try await eventually { await viewer.statistics.iceRestarts > count }
                try await source.write("after \(count)")
                // An end asks for no other path so soon after the last one.
                try await Task.sleep(for: .milliseconds(2_100))
            }
            try await source.finish()
            #expect(try await reader.value == ["before 0", "after 0", "before 1", "after 1"])
            #expect(await source.statistics.iceRestarts == 2)
            await viewer.close()
            await source.close()
        }
    }

    @Test("Every misuse gets an error that says what was wrong")
    func misuse() async throws {
        try await withServer { url in
            let source = try await makeClient(url)
            await #expect(throws: PeerTreeError.notInTree) { try await source.write("early") }
            let tree = try await source.create()
            await #expect(throws: PeerTreeError.alreadyInTree(tree)) { try await source.create() }
            await #expect(throws: PeerTreeError.alreadyInTree(tree)) { try await source.connect(tree) }
            let viewer = try await makeClient(url)
            await #expect(throws: PeerTreeError.unknownTree("nowhere")) { try await viewer.connect("nowhere") }
            try await viewer.connect(tree)
            await #expect(throws: PeerTreeError.notSource) { try await viewer.write("mine") }
            try await source.finish()
            await #expect(throws: PeerTreeError.finished) { try await source.write("late") }
            await viewer.close()
            await #expect(throws: PeerTreeError.closed) { try await viewer.connect(tree) }
            await source.close()
            await source.close()
        }
    }

    @Test("An unreachable server is named as such")
    func unreachable() async throws {
        let client = try await makeClient("http://127.0.0.1:1")
        await #expect(throws: PeerTreeError.serverUnreachable("connection refused")) { try await client.create() }
        await client.close()
    }

    @Test("When the source closes without finishing, its viewers learn that the stream broke off")
    func sourceCloses() async throws {
        try await withServer { url in
            let source = try await makeClient(url)
            let tree = try await source.create()
            let viewer = try await makeClient(url)
            try await viewer.connect(tree)
            try await source.write("only")
            var messages = viewer.messages.makeAsyncIterator()
            #expect(try await messages.next()?.text == "only")
            await source.close()
            await #expect(throws: PeerTreeError.sourceLost) { try await messages.next() }
            await viewer.close()
        }
    }

    @Test("A reader that pauses makes the source's writes wait, in bounded memory")
    func backPressure() async throws {
        try await withServer { url in
            var configuration = PeerTreeClientConfiguration()
            configuration.peer.window = 16
            let source = try await makeClient(url, configuration)
            let tree = try await source.create()
            let viewer = try await makeClient(url, configuration)
            try await viewer.connect(tree)
            let message = ByteBuffer(repeating: 7, count: 16_000)
            let written = Counter()
            // A source without viewers has nobody to wait for: the link has to be there before the test begins.
            try await source.write(message)
            var messages = viewer.messages.makeAsyncIterator()
            _ = try await messages.next()
            let writer = Task {
                for _ in 1..<500 {
                    try await source.write(message)
                    await written.add()
                }
                try await source.finish()
            }
            // Nothing is read while the writer goes on as far as it is allowed to.
            let stopped = await written.settled()
            #expect(stopped < 200)
            var received = 1
            while try await messages.next() != nil { received += 1 }
            try await writer.value
            #expect(received == 500)
            await viewer.close()
            await source.close()
        }
    }

    @Test("Retained messages and join points reach a viewer that comes late, and bytes forget the boundaries")
    func lateViewer() async throws {
        try await withServer { url in
            let source = try await makeClient(url)
            let tree = try await source.create()
            try await source.write("title", MessageOptions(retainedKey: 1))
            try await source.write("missed")
            try await source.write("key", MessageOptions(isJoinPoint: true))
            try await source.finish()
            let viewer = try await makeClient(url)
            try await viewer.connect(tree)
            let bytes = try await viewer.bytes.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
            #expect(String(buffer: bytes) == "titlekey")
            await viewer.close()
            await source.close()
        }
    }
}

/// Counts, and waits until the count rests.
private actor Counter {
    private var count = 0

    func add() {
        count += 1
    }

    /// The count once it did not change for half a second.
    func settled() async -> Int {
        var last = -1
        while last != count {
            last = count
            try? await Task.sleep(for: .milliseconds(500))
        }
        return count
    }
}

extension Sequence {
    fileprivate func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
