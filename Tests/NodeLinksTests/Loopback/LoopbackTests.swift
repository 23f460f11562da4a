import NIOCore
import NodeLinks
import TestSupport
import Testing

/// Nodes over TLS on loopback.
@Suite(.timeLimit(.minutes(2)))
struct LoopbackTests {
    private func close(_ nodes: LoopbackNode...) async {
        for node in nodes { await node.links.close() }
    }

    @Test("frames go both ways, in order, whoever is linked first", arguments: [true, false])
    func bothWays(dialerFirst: Bool) async throws {
        let (a, b) = (try await LoopbackNode("a"), try await LoopbackNode("b"))
        if dialerFirst { await a.link(b) }
        await b.link(a)
        if !dialerFirst { await a.link(b) }
        try await eventually { await a.hasSession() }
        try await eventually { await b.hasSession() }
        let texts = (1...1_000).map { "frame \($0)" }
        for text in texts {
            try await a.send(text, to: b)
            try await b.send(text, to: a)
        }
        try await eventually { await b.received.count >= texts.count }
        try await eventually { await a.received.count >= texts.count }
        #expect(await b.received == texts)
        #expect(await a.received == texts)
        await close(a, b)
    }

    @Test("a connection that is cut again and again costs no frame, and no session")
    func cut() async throws {
        let (a, b) = (try await LoopbackNode("a"), try await LoopbackNode("b"))
        let proxy = CuttingProxy(to: b.port)
        await a.link(b, port: try await proxy.listen())
        await b.link(a)
        try await eventually { await a.hasSession() }
        let texts = (1...500).map { "frame \($0), " + String(repeating: "x", count: 500) }
        for (number, text) in texts.enumerated() {
            try await a.send(text, to: b)
            if number % 100 == 50 {
                try await eventually { await b.received.count > number / 2 }
                await proxy.cut()
            }
        }
        try await eventually { await b.received.count >= texts.count }
        #expect(await b.received == texts)
        for node in [a, b] {
            #expect(!(await node.events).contains { if case .sessionEnded = $0 { true } else { false } })
        }
        await close(a, b)
        try await proxy.close()
    }

    @Test("a node with another secret is refused, and both logs can say so")
    func wrongSecret() async throws {
        let (a, b) = (try await LoopbackNode("a"), try await LoopbackNode("b", secrets: ["quite another secret"]))
        await a.link(b)
        await b.link(a)
        try await eventually { await b.events.contains(.refused(.wrongSecret, by: .this)) }
        let words = LinkEvent.refused(.said("\(LinkRefusal.wrongSecret)"), by: .other)
        try await eventually { await a.events.contains(words) }
        #expect(!(await a.hasSession()))
        #expect(!(await b.hasSession()))
        await close(a, b)
    }

    @Test("a secret is replaced one node after the other, without a session's end")
    func rotation() async throws {
        let (old, new) = ("the secret of yesterday", "the secret of tomorrow")
        let (a, b) = (try await LoopbackNode("a", secrets: [old]), try await LoopbackNode("b", secrets: [old]))
        let proxy = CuttingProxy(to: b.port)
        await a.link(b, port: try await proxy.listen())
        await b.link(a)
        try await eventually { await a.hasSession() }
        let both = try LinkSecrets([Array(new.utf8), Array(old.utf8)])
        let only = try LinkSecrets([Array(new.utf8)])
        for (number, (node, secrets)) in [(a, both), (b, both), (b, only), (a, only)].enumerated() {
            await node.links.use(secrets)
            await proxy.cut()
            try await a.send("after step \(number)", to: b)
            try await eventually { await b.received.count > number }
        }
        #expect(!(await a.events).contains { if case .sessionEnded = $0 { true } else { false } })
        await close(a, b)
        try await proxy.close()
    }

    @Test("a node that takes nothing makes the other wait, and then gets all of it")
    func stopsReading() async throws {
        let (a, b) = (try await LoopbackNode("a"), try await LoopbackNode("b"))
        await a.link(b)
        await b.link(a)
        try await eventually { await b.hasSession() }
        try await eventually { await a.hasSession() }
        await b.links.takeFrames(false, from: a.name)
        let text = String(repeating: "x", count: 100_000)
        var sent = 0
        // What the system's buffers hold is the system's matter.
        while !(await a.events).contains(.isWritable(false)) || sent < 200 {
            try await a.send(text, to: b)
            sent += 1
        }
        #expect((await b.received).count < sent)
        await b.links.takeFrames(true, from: a.name)
        try await eventually { await b.received.count == sent }
        try await eventually { await a.events.last == .isWritable(true) }
        await close(a, b)
    }

    @Test("a node that takes nothing for too long ends the session, which says what is lost")
    func overflow() async throws {
        var options = LinkOptions()
        options.maximumQueuedBytes = 2 << 20
        let (a, b) = (try await LoopbackNode("a", options: options), try await LoopbackNode("b"))
        await a.link(b)
        await b.link(a)
        try await eventually { await b.hasSession() }
        try await eventually { await a.hasSession() }
        await b.links.takeFrames(false, from: a.name)
        let text = String(repeating: "x", count: 100_000)
        await #expect(throws: LinkError.overflow(b.name)) {
            for _ in 0..<1_000 { try await a.send(text, to: b) }
        }
        #expect((await a.events).contains { if case .sessionEnded(.overflow, _) = $0 { true } else { false } })
        await b.links.takeFrames(true, from: a.name)
        try await eventually { await a.hasSession() }
        await close(a, b)
    }

    @Test("a node that ends is unreachable; a new one of its name has a new session, and what is lost has a name")
    func killed() async throws {
        let (a, b) = (try await LoopbackNode("a"), try await LoopbackNode("b"))
        await a.link(b)
        await b.link(a)
        try await eventually { await a.hasSession() }
        await b.links.close()
        try await eventually { await a.events.contains { if case .unreachable = $0 { true } else { false } } }
        try await a.send("lost", to: b)
        let next = try await LoopbackNode("b")
        await next.link(a)
        await a.link(next)
        try await eventually { await a.events.contains(.sessionEnded(.restarted, lost: 1..<2)) }
        try await eventually { await a.hasSession() }
        try await a.send("new", to: next)
        try await eventually { await next.received == ["new"] }
        await close(a, next)
    }

    @Test("a node that the other knows no more tries less and less often", arguments: [true, false])
    func unknown(leads: Bool) async throws {
        let (a, b) = (try await LoopbackNode("a"), try await LoopbackNode("b"))
        let (known, stranger) = leads ? (b, a) : (a, b)
        await stranger.link(known)
        let words = LinkEvent.refused(.said("\(LinkRefusal.unknownNode(stranger.name))"), by: .other)
        func refusals() async -> Int { await stranger.events.count { $0 == words } }
        try await eventually { await refusals() > 0 }
        try await Task.sleep(for: .seconds(2))
        // 50 ms, then twice as long each time.
        #expect(await refusals() < 10)
        await close(a, b)
    }

    @Test("of two nodes with one name the newer one is linked, and the older one hears why it is not")
    func sameName() async throws {
        let (a, b, twin) = (try await LoopbackNode("a"), try await LoopbackNode("b"), try await LoopbackNode("b"))
        await b.link(a)
        await a.link(b)
        try await eventually { await b.hasSession() }
        await twin.link(a)
        try await eventually { await twin.hasSession() }
        let words = LinkEvent.refused(.said("\(LinkRefusal.nameTaken(b.name))"), by: .other)
        try await eventually { await b.events.contains(words) }
        try await eventually { await a.events.contains(.refused(.nameTaken(b.name), by: .this)) }
        await close(a, b, twin)
    }

    @Test("a node that nobody knows is told so")
    func unknown() async throws {
        let (a, b) = (try await LoopbackNode("a"), try await LoopbackNode("b"))
        await a.link(b)
        let words = LinkEvent.refused(.said("\(LinkRefusal.unknownNode(a.name))"), by: .other)
        try await eventually { await a.events.contains(words) }
        await close(a, b)
    }
}
