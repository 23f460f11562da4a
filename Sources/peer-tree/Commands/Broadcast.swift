import ArgumentParser
import Foundation
import NIOCore
import PeerTreeClient
import PeerTreeCore
import PeerTreeServer

/// `peer-tree broadcast`
struct Broadcast: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send a file or standard input to any number of viewers.",
        discussion: """
            Without --server it runs a server of its own. The link to watch goes to standard output, progress to the
            terminal. Of WebM, a viewer that comes late gets what it needs to start at the newest key frame.

            EXAMPLES
              peer-tree broadcast clip.webm --host 0.0.0.0
              ffmpeg -re -i talk.mp4 -c:v libvpx -f webm - | peer-tree broadcast - --server http://signal.example:3000
            """
    )

    @Argument(help: "The file to send; - is standard input.")
    var input = "-"

    @Option(help: "The signalling server to use instead of an own one, such as http://signal.example:3000.")
    var server: String?

    @Option(help: "The token that lets this source create a tree on that server.")
    var token: String?

    @Option(help: "The address that the own server listens on.")
    var host = "127.0.0.1"

    @Option(help: "The port that the own server listens on; 0 takes a free one.")
    var port = 0

    @Option(name: .customLong("k"), help: "How many children a viewer feeds at most, with the own server.")
    var childrenOfViewer = 4

    @Option(name: .customLong("k1"), help: "How many children this source feeds at most.")
    var childrenOfSource = 10

    @OptionGroup(title: "STUN and TURN, with the own server")
    var iceServers: ICEServerFlags

    @Option(help: "Begin once so many viewers are there (default: 1 for a file, 0 for standard input).")
    var viewers: Int?

    @Option(help: "Send no faster than so many bytes a second, such as 500k or 2M.", transform: Self.rate)
    var rate: Int?

    @Option(help: "After the end, wait at most so many seconds for viewers that are still receiving.")
    var linger = 30

    @Flag(help: "Live media: never wait for a slow viewer, cut it back to the next key frame instead.")
    var live = false

    @Flag(help: "Print events and the result as JSON, one object a line, on standard output.")
    var json = false

    @Flag(name: .shortAndLong, help: "Log what happens, on standard error.")
    var verbose = false

    static func rate(_ text: String) throws -> Int {
        guard let count = parseByteCount(text) else {
            throw ValidationError("'\(text)' is not a number of bytes such as 500000, 500k or 2M.")
        }
        return count
    }

    func run() async throws {
        var settings = ServerSettings()
        settings.host = host
        settings.port = port
        settings.k = childrenOfViewer
        settings.k1 = childrenOfSource
        if verbose { settings.log.level = .debug }
        var reader = try await SettingsReader(flags: iceServers.values, file: nil)
        settings.signalling.iceServers = try ICEServerOptions(&reader)
        try settings.validate()
        let (command, chosen) = (self, settings)
        try await exiting {
            let reader = try InputReader(command.input)
            let session = BroadcastSession(command: command, reader: reader)
            if let server = command.server {
                try await session.run(server: server)
            } else {
                try await EmbeddedServer.withServer(chosen) { try await session.run(server: $0) }
            }
        }
    }
}

/// One broadcast from beginning to end.
struct BroadcastSession: Sendable {
    let command: Broadcast
    let reader: InputReader

    func run(server: String) async throws {
        var configuration = PeerTreeClientConfiguration()
        configuration.capacity = command.childrenOfSource
        configuration.peer.policy = command.live ? .live : .lossless
        let logger = Logs.make("peer-tree", verbose: command.verbose)
        do {
            let client = try await Connecting.client(
                to: server,
                token: command.token,
                configuration,
                logger: logger
            )
            do {
                try await send(with: client, server: server)
            } catch {
                await client.close()
                throw error
            }
            await client.close()
        } catch {
            throw Connecting.failure(error, server: server)
        }
    }

    private func send(with client: PeerTreeClient, server: String) async throws {
        let treeID = try await client.create()
        announce(WatchLink(server: server, treeID: treeID), treeID)
        let meter = BroadcastMeter(client: client, total: reader.size, json: command.json)
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

    private func announce(_ link: WatchLink, _ treeID: String) {
        if command.json {
            Terminal.say(#"{"event":"link","link":"\#(link)","tree":"\#(treeID)"}"#)
        } else {
            Terminal.say("\(link)")
        }
    }

    private func waitForViewers(_ client: PeerTreeClient) async throws {
        let wanted = command.viewers ?? (reader.size == nil ? 0 : 1)
        guard wanted > 0 else { return }
        let events = client.events
        if await viewerCount(of: client) >= wanted { return }
        for await event in events {
            switch event {
            case .tree, .downstreamPeer: if await viewerCount(of: client) >= wanted { return }
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

    private func pump(into client: PeerTreeClient, _ meter: BroadcastMeter) async throws {
        var feeder = StreamFeeder()
        var pacer = command.rate.map { Pacer(bytesPerSecond: $0) }
        while let bytes = try await reader.read() {
            try Task.checkCancellation()
            for (message, options) in feeder.feed(bytes) {
                try await pacer?.wait(for: message.readableBytes)
                try await client.write(message, options)
                await meter.add(message)
            }
        }
        for (message, options) in feeder.finish() {
            try await client.write(message, options)
            await meter.add(message)
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
