import Foundation
import NIOCore
import PeerTreeClient
import PeerTreeCore
import PeerTreeMedia

/// One broadcast from beginning to end.
struct BroadcastSession: Sendable {
    let command: Broadcast
    let input: BroadcastInput

    /// - Parameters:
    ///   - server: What the link names.
    ///   - servers: Those to connect to.
    func run(server: String, servers: [String]) async throws {
        var configuration = PeerTreeClientConfiguration()
        configuration.capacity = command.childrenOfSource
        configuration.peer.policy = input.policy
        configuration.peer.stripes = UInt8(clamping: input.layout.stripes)
        configuration.peer.parity = UInt8(clamping: input.layout.parity)
        let file = try command.identity.map { try IdentityFile.load($0, needsSecret: command.encrypt) }
        if !command.unsigned { configuration.identity = file?.identity ?? SourceIdentity() }
        if command.encrypt { configuration.secret = file?.secret ?? BroadcastSecret() }
        let logger = Logs.make("peer-tree", verbose: command.verbose)
        do {
            let client = try await Connecting.client(
                to: servers,
                token: command.token,
                trust: command.trust.configuration,
                configuration,
                logger: logger
            )
            do {
                try await send(with: client, server: server, secret: configuration.secret)
            } catch {
                await client.close()
                throw error
            }
            await client.close()
        } catch {
            throw Connecting.failure(error, server: servers.joined(separator: ","))
        }
    }

    private func send(with client: PeerTreeClient, server: String, secret: BroadcastSecret?) async throws {
        let treeID = try await client.create()
        let link = WatchLink(server: server, treeID: treeID, secret: secret)
        let layout = await client.statistics.layout
        announce(link, treeID, layout)
        if layout != input.layout, command.stripes != nil || command.parity != nil {
            Terminal.note(
                "peer-tree: the server deals this stream over \(layout.stripes) of \(input.layout.stripes) trees, \(layout.parity == 0 ? "none" : "one") with parity: each begins at the source, which serves --k1 viewers, and parity takes viewers that serve two"
            )
        }
        if !command.unsigned, !link.isSecureContext {
            Terminal.note(
                "peer-tree: browsers check signatures only over https: over http this link is for peer-tree watch, or use --unsigned"
            )
        }
        let meter = BroadcastMeter(client: client, total: input.reader.size, json: command.json)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await meter.run() }
            defer { group.cancelAll() }
            try await waitForViewers(client)
            try await pump(into: client, meter)
            try await client.finish()
            try await lingerForViewers(client)
        }
        await meter.finish()
    }

    private func announce(_ link: WatchLink, _ treeID: String, _ layout: StripeLayout) {
        if command.json {
            let dealt = #""stripes":\#(layout.stripes),"parity":\#(layout.parity)"#
            Terminal.say(#"{"event":"link","link":"\#(link)","tree":"\#(treeID)",\#(dealt)}"#)
        } else {
            Terminal.say("\(link)")
        }
    }

    private func waitForViewers(_ client: PeerTreeClient) async throws {
        let wanted = command.viewers ?? (input.reader.size == nil ? 0 : 1)
        guard wanted > 0 else { return }
        let events = client.events
        if await fedViewerCount(of: client) >= wanted { return }
        for await event in events {
            switch event {
            case .tree, .downstreamPeer: if await fedViewerCount(of: client) >= wanted { return }
            default: break
            }
            try Task.checkCancellation()
        }
        try Task.checkCancellation()
    }

    /// How many viewers there are. An original server does not say: then those that this source feeds itself count.
    private func viewerCount(of client: PeerTreeClient) async -> Int {
        if let summary = await client.treeSummary { return summary.viewers }
        return await client.statistics.children
    }

    /// How many viewers are fed: one that has a place only may miss the beginning. Of a large tree the server names no
    /// peers; then all count.
    private func fedViewerCount(of client: PeerTreeClient) async -> Int {
        guard let summary = await client.treeSummary, summary.peers.count == summary.viewers else {
            return await viewerCount(of: client)
        }
        return summary.peers.count { $0.parent != nil && $0.isAttached }
    }

    private func pump(into client: PeerTreeClient, _ meter: BroadcastMeter) async throws {
        var feeder = input.feeder
        var byteRate = command.rate.map { Pacer(bytesPerSecond: $0) }
        var frames = input.pacer
        var messages = input.beginning
        var isOver = input.isOver
        await meter.consume(input.consumed)
        while true {
            for message in messages {
                try await byteRate?.wait(for: message.payload.readableBytes)
                if let timestamp = message.timestamp { try await frames?.wait(for: timestamp) }
                try await client.write(message.payload, message.options)
                if message.options.retainedKey == nil || message.options.retainedKey == MediaKey.header {
                    await meter.add(message.payload)
                }
            }
            for note in feeder.takeNotes() { Terminal.note("peer-tree: \(note)") }
            if isOver { break }
            try Task.checkCancellation()
            messages = []
            if let bytes = try await input.reader.read() {
                messages = try feeder.feed(bytes, at: BroadcastInput.now)
                await meter.consume(bytes.readableBytes)
            } else if command.loop {
                try input.reader.rewind()
                feeder.restart()
            } else {
                messages = try feeder.finish(at: BroadcastInput.now)
                isOver = true
            }
        }
    }

    /// Stays until every viewer has everything and has left, or until the time is over.
    private func lingerForViewers(_ client: PeerTreeClient) async throws {
        let events = client.events
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await client.complete()
                if await viewerCount(of: client) == 0 { return }
                for await event in events {
                    switch event {
                    case .tree, .neighbourGone: if await viewerCount(of: client) == 0 { return }
                    default: break
                    }
                }
            }
            let limit = command.linger
            group.addTask { try await Task.sleep(for: .seconds(limit)) }
            try await group.next()
            group.cancelAll()
        }
    }
}
