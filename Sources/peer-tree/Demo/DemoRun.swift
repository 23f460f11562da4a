import Crypto
import Foundation
import NIOCore
import PeerTreeClient

/// One demonstration from beginning to end.
struct DemoRun: Sendable {
    let command: Demo
    let server: String

    /// What was sent.
    private struct Sent {
        var bytes: Int
        var sha256: String
    }

    func perform(_ reader: InputReader) async throws {
        var configuration = PeerTreeClientConfiguration()
        configuration.capacity = command.childrenOfSource
        let logger = Logs.make("peer-tree", verbose: false)
        let source = try await Connecting.client(to: [server], configuration, logger: logger)
        let treeID = try await source.create()
        let viewers = DemoViewers()
        do {
            let link = WatchLink(server: server, treeID: treeID)
            heading("\(link)")
            try await start(viewers, link: link, source: source)
            let sent = try await broadcast(reader, from: source, viewers)
            try await awaitResults(viewers)
            viewers.stopAll()
            await source.close()
            try report(viewers, sent)
        } catch {
            viewers.stopAll()
            await source.close()
            throw error
        }
    }

    private func heading(_ text: String) {
        if !command.json { Terminal.say(text) }
    }

    // MARK: The stages

    private func start(_ viewers: DemoViewers, link: WatchLink, source: PeerTreeClient) async throws {
        for number in 1...command.viewers {
            viewers.add(try ViewerProcess(name: "v\(number)", link: link, children: command.childrenOfViewer))
        }
        try await wait("\(command.viewers) viewers to join", seconds: 120) {
            let summary = await source.treeSummary
            return viewers.all.allSatisfy { $0.isConnected } && summary?.viewers == command.viewers
        }
        guard let summary = await source.treeSummary else { return }
        heading("\(summary.viewers) viewers, \(summary.depth) levels:")
        for line in drawing(summary, viewers).lines { heading(line) }
    }

    /// Sends the clip at an even pace and kills a viewer halfway.
    private func broadcast(_ reader: InputReader, from source: PeerTreeClient, _ viewers: DemoViewers) async throws
        -> Sent
    {
        let size = max(1, reader.size ?? 1)
        var pacer = Pacer(bytesPerSecond: max(1, size / command.seconds))
        var feeder = StreamFeeder()
        var hash = SHA256()
        var bytes = 0
        var view = DemoView(command: command, total: size)
        while true {
            let input = try await reader.read()
            for (message, options) in input.map({ feeder.feed($0, at: BroadcastInput.now) })
                ?? feeder.finish(at: BroadcastInput.now)
            {
                try await pacer.wait(for: message.readableBytes)
                try await source.write(message, options)
                bytes += message.readableBytes
                message.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
                if bytes > size / 2, viewers.killed == nil { kill(viewers, await source.treeSummary) }
                if let summary = await source.treeSummary {
                    view.show(bytes, drawing(summary, viewers), viewers, summary)
                }
            }
            if input == nil { break }
        }
        view.clear()
        try await source.finish()
        return Sent(bytes: bytes, sha256: hash.finalize().map { String(format: "%02x", $0) }.joined())
    }

    /// Kills a viewer that has children, and grandchildren if there is such a one.
    private func kill(_ viewers: DemoViewers, _ summary: TreeSummary?) {
        guard let summary else { return }
        var below: [String: Int] = [:]
        let parents = Dictionary(summary.peers.map { ($0.id, $0.parent) }) { first, _ in first }
        for peer in summary.peers {
            var ancestor = peer.parent
            while let id = ancestor, below.count <= summary.peers.count {
                below[id, default: 0] += 1
                ancestor = parents[id] ?? nil
            }
        }
        let victim = viewers.all.filter { ($0.id.flatMap { below[$0] } ?? 0) > 0 }
            .max { (below[$0.id ?? ""] ?? 0) < (below[$1.id ?? ""] ?? 0) }
        guard let victim else { return }
        victim.kill()
        viewers.killed = victim.name
        heading("Killed \(victim.name), which had \(below[victim.id ?? ""] ?? 0) viewers below it.")
    }

    private func awaitResults(_ viewers: DemoViewers) async throws {
        try await wait("the viewers to receive the rest", seconds: 60) {
            viewers.survivors.allSatisfy { $0.result != nil || $0.hasExited }
        }
    }

    private func report(_ viewers: DemoViewers, _ sent: Sent) throws {
        heading("Sent \(sent.bytes) bytes, SHA-256 \(sent.sha256)")
        var wrong = 0
        for viewer in viewers.survivors {
            let isEqual = viewer.result?.bytes == sent.bytes && viewer.result?.sha256 == sent.sha256
            if !isEqual { wrong += 1 }
            Terminal.say(command.json ? viewer.json(isEqual) : viewer.line(isEqual))
        }
        if viewers.killed == nil { throw Failure(status: .incomplete, message: "No viewer had children to lose.") }
        guard wrong == 0 else {
            throw Failure(status: .incomplete, message: "\(wrong) viewers did not receive what was sent.")
        }
        heading("All \(viewers.survivors.count) surviving viewers received exactly what was sent.")
    }

    // MARK: Helpers

    private func drawing(_ summary: TreeSummary, _ viewers: DemoViewers) -> TreeDrawing {
        let names = viewers.names
        return TreeDrawing(summary) { peer in
            let name = names[peer.id] ?? String(peer.id.prefix(6))
            return peer.lag.map { "\(name)  \(Units.milliseconds($0))" } ?? name
        }
    }

    /// Looks every 50 ms whether something has come about that several processes decide.
    private func wait(_ what: String, seconds: Int, until condition: () async -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while await !condition() {
            try Task.checkCancellation()
            guard .now < deadline else {
                throw Failure(status: .incomplete, message: "Waited \(seconds) s in vain for \(what).")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}

/// The viewers of a demonstration. Only the task that performs it touches them.
final class DemoViewers {
    private(set) var all: [ViewerProcess] = []
    /// The name of the viewer that was killed.
    var killed: String?

    var survivors: [ViewerProcess] { all.filter { $0.name != killed } }

    /// Names by the server's ids.
    var names: [String: String] {
        Dictionary(all.compactMap { viewer in viewer.id.map { ($0, viewer.name) } }) { first, _ in first }
    }

    func add(_ viewer: ViewerProcess) {
        all.append(viewer)
    }

    func stopAll() {
        for viewer in all { viewer.stop() }
    }
}

extension ViewerProcess {
    fileprivate func line(_ isEqual: Bool) -> String {
        let name = name.padding(toLength: 5, withPad: " ", startingAt: 0)
        guard let result else { return "\(name)  ended without a result" }
        let verdict = isEqual ? "= source" : "DIFFERS"
        let lags = [result.lagMedian, result.lag99, result.lagMaximum].map { Units.milliseconds($0) }
        return "\(name)  \(result.bytes) bytes  SHA-256 \(result.sha256.prefix(16))… \(verdict)"
            + "  lag p50 \(lags[0]), p99 \(lags[1]), max \(lags[2])"
    }

    fileprivate func json(_ isEqual: Bool) -> String {
        let result = result.map { (bytes: $0.bytes, sha256: $0.sha256, lag: $0.lagMedian, lag99: $0.lag99) }
        return #"{"viewer":"\#(name)","bytes":\#(result?.bytes ?? 0),"sha256":"\#(result?.sha256 ?? "")","#
            + #""equal":\#(isEqual),"lag_p50_ms":\#(result?.lag.map { "\($0)" } ?? "null"),"#
            + #""lag_p99_ms":\#(result?.lag99.map { "\($0)" } ?? "null")}"#
    }
}
