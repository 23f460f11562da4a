import ArgumentParser
import PeerTreeCore

/// `peer-tree`, the command line.
@main
struct PeerTreeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peer-tree",
        abstract: "Broadcast data or live video over a tree of WebRTC peers.",
        discussion: """
            The source uploads to a few viewers, every viewer passes the stream on to a few others, and the server only
            introduces them to each other.

            EXAMPLES
              peer-tree broadcast clip.webm                   prints the link to watch
              peer-tree watch LINK --output clip.webm
              ffmpeg -i clip.mp4 -c copy -f matroska - | peer-tree broadcast -
              peer-tree watch LINK | mpv -
              peer-tree demo                                  a tree of 24 peers on this machine

            EXIT CODES
              0 success; 1 the stream broke off; 64 wrong usage; 66 no such input; 69 server unreachable or unknown tree;
              71 port in use; 73 output not writable; 74 reading or writing failed; 130 interrupted.
            """,
        version: "\(PackageVersion.current)",
        subcommands: subcommands
    )

    private static var subcommands: [any ParsableCommand.Type] {
        #if Cluster
        [Serve.self, Broadcast.self, Watch.self, Demo.self, Nodes.self]
        #else
        [Serve.self, Broadcast.self, Watch.self, Demo.self]
        #endif
    }
}

extension AsyncParsableCommand {
    /// Runs a command's work with signals handled; prints the sentence of a failure and exits with its code.
    ///
    /// - Parameter signalsAreSuccess: whether Ctrl-C and SIGTERM are the ordinary way to end the command.
    func exiting(signalsAreSuccess: Bool = false, _ work: @escaping @Sendable () async throws -> Void) async throws {
        do {
            try await Interruption.handling(work)
        } catch let failure as Failure {
            let isSignal = failure.status == .interrupted || failure.status == .terminated
            if isSignal, signalsAreSuccess { return }
            if !failure.message.isEmpty { Terminal.note("peer-tree: \(failure.message)") }
            throw failure.status.exit
        }
    }
}
