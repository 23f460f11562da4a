import NIOCore
import NIOPosix
import NodeLinks
import Testing

/// A node with real sockets, and what it has heard. Its own event loop is one of a group that all tests share.
final class LoopbackNode: Sendable {
    let name: NodeName
    let links: NodeLinks
    let port: Int
    private let heard: Heard

    init(
        _ name: String,
        secrets: [String] = ["a secret of the tests"],
        options: LinkOptions = LinkOptions(),
        echoes: Bool = false
    ) async throws {
        let name = try #require(NodeName(name))
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let heard = Heard(on: eventLoop, echoes: echoes)
        let secrets = try LinkSecrets(secrets.map { Array($0.utf8) })
        links = try NodeLinks(name: name, secrets: secrets, options: options, on: eventLoop) { node, event in
            heard.hear(node, event)
        }
        heard.watch(links)
        port = try #require(try await links.listen(host: "127.0.0.1", port: 0).port)
        self.name = name
        self.heard = heard
    }

    func link(_ other: LoopbackNode, port: Int? = nil) async {
        await links.add(other.name, at: LinkAddress(host: "127.0.0.1", port: port ?? other.port))
    }

    func send(_ text: String, to other: LoopbackNode) async throws {
        try await links.send(ByteBuffer(string: text), to: other.name)
    }

    /// Payloads that came, as text.
    var received: [String] { get async { await heard.received } }
    /// All else.
    var events: [LinkEvent] { get async { await heard.events } }

    func hasSession() async -> Bool {
        await events.last { event in
            switch event {
            case .sessionStarted, .sessionEnded: true
            default: false
            }
        }.map { if case .sessionStarted = $0 { true } else { false } } ?? false
    }
}

/// What a node was told, in its order.
private actor Heard {
    private nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }
    private(set) var received: [String] = []
    private(set) var events: [LinkEvent] = []
    private let echoes: Bool
    private var links: NodeLinks?

    init(on eventLoop: any EventLoop, echoes: Bool) {
        self.eventLoop = eventLoop
        self.echoes = echoes
    }

    nonisolated func watch(_ links: NodeLinks) {
        eventLoop.execute { self.assumeIsolated { $0.links = links } }
    }

    nonisolated func hear(_ node: NodeName?, _ event: LinkEvent) {
        assumeIsolated { $0.take(node, event) }
    }

    private func take(_ node: NodeName?, _ event: LinkEvent) {
        guard case .received(let payload) = event else { return events.append(event) }
        received.append(String(buffer: payload))
        guard echoes, let node, let links else { return }
        _ = links.assumeIsolated { links in try? links.send(payload, to: node) }
    }
}
