import ArgumentParser
import Crypto
import Foundation
import NIOCore
import PeerTreeClient
import PeerTreeCore

/// `peer-tree watch`
struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Receive a broadcast, and pass it on to others while doing so.",
        discussion: """
            Media is written as WebM (Matroska, if a codec is not WebM's), from the newest key frame on if the broadcast
            has begun; everything else as the bytes that were sent. A file is written under a temporary name and renamed
            once the stream is complete. Ctrl-C completes the recording of a live broadcast.

            EXAMPLES
              peer-tree watch http://127.0.0.1:3000/watch/TREE --output clip.webm
              peer-tree watch LINK | mpv -
            """
    )

    @Argument(help: "The link that the broadcaster printed.")
    var link: String

    @Option(name: .shortAndLong, help: "The file to write; - is standard output.")
    var output = "-"

    @Option(
        help: "Other servers of the cluster of the link's, with commas between them: any that answers is used."
    )
    var server: ServerList?

    @Option(help: "The token that lets this viewer join, if the server asks for one.")
    var token: String?

    @OptionGroup(title: "A server behind https")
    var trust: ServerTrust

    @Option(help: "How many children to feed at most; the server may lower it.")
    var children: Int?

    @Flag(
        help:
            "Print events and the result as JSON, one object a line; on standard error if the stream goes to standard output."
    )
    var json = false

    @Flag(name: .shortAndLong, help: "Log what happens, on standard error.")
    var verbose = false

    func run() async throws {
        let target: WatchLink
        do throws(WatchLinkError) {
            target = try WatchLink(link)
        } catch {
            throw ValidationError(error.description)
        }
        if output == "-", Terminal.isOutputTerminal {
            throw ValidationError("A stream of bytes does not belong on a terminal: give --output FILE, or a pipe.")
        }
        let command = self
        try await exiting {
            let report = WatchReport(json: command.json, toStandardError: command.output == "-")
            let output = try WatchOutput(command.output, report: report)
            do {
                try await WatchSession(command: command, target: target, output: output, report: report).run()
                try await output.complete()
                report.finish()
            } catch {
                let partial = await output.stop(isInterrupted: Task.isCancelled)
                if let partial, FileManager.default.fileExists(atPath: partial) {
                    WatchSession.keepOrRemove(partial)
                }
                throw error
            }
        }
    }
}

/// One viewer from beginning to end.
struct WatchSession: Sendable {
    let command: Watch
    let target: WatchLink
    let output: WatchOutput
    let report: WatchReport

    /// What came of a broken stream may still be of use; an empty file is not.
    static func keepOrRemove(_ path: String) {
        let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
        if size == 0 {
            try? FileManager.default.removeItem(atPath: path)
        } else {
            Terminal.note("peer-tree: what arrived is in '\(path)'.")
        }
    }

    func run() async throws {
        var configuration = PeerTreeClientConfiguration()
        configuration.capacity = command.children
        configuration.secret = target.secret
        let logger = Logs.make("peer-tree", verbose: command.verbose)
        let servers = [target.server] + (command.server?.addresses ?? [])
        do {
            let client = try await Connecting.client(
                to: servers,
                token: command.token,
                trust: command.trust.configuration,
                configuration,
                logger: logger
            )
            client.onEvent { report.note($0) }
            do {
                try await client.connect(target.treeID)
                try await receive(from: client)
            } catch {
                await client.close()
                throw error
            }
            await client.close()
        } catch is OutputClosed {
            throw Failure(status: .inputOutput, message: "")
        } catch {
            report.fail()
            throw Connecting.failure(error, server: servers.joined(separator: ","))
        }
    }

    private func receive(from client: PeerTreeClient) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await report.run(client) }
            defer { group.cancelAll() }
            for try await messages in client.messages.batches() {
                try await output.take(messages)
            }
            try Task.checkCancellation()
        }
        if let reason = report.unreadable, reason != .changed {
            throw Failure(status: .locked, message: reason.sentence)
        }
        if let gap = report.lostGap {
            throw Failure(status: .incomplete, message: "A part of the stream was lost (\(gap)).")
        }
        // Whoever is below this peer gets everything before it goes.
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await client.complete() }
            group.addTask { try? await Task.sleep(for: .seconds(30)) }
            await group.next()
            group.cancelAll()
        }
    }
}
