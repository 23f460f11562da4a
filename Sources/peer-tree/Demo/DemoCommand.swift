import ArgumentParser
import Foundation
import PeerTreeClient

/// `peer-tree demo`
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a stream flow through a tree of peers on this machine, and survive the death of one.",
        discussion: """
            Starts a server, a source and a number of viewers, each a process of its own. Halfway it kills a viewer that
            feeds others. At the end every surviving viewer must have received exactly the bytes that were sent;
            otherwise the exit code is 1.

            EXAMPLE
              peer-tree demo --viewers 24 --k 2 --k1 3 --seconds 10
            """
    )

    @Option(help: "The file to broadcast.")
    var clip = "Demo/clip.webm"

    @Option(help: "How many viewers to start, 2 to 200.")
    var viewers = 24

    @Option(name: .customLong("k"), help: "How many children a viewer feeds.")
    var childrenOfViewer = 2

    @Option(name: .customLong("k1"), help: "How many children the source feeds.")
    var childrenOfSource = 3

    @Option(help: "How long the broadcast takes.")
    var seconds = 10

    @Flag(help: "Print the result as JSON, one object a viewer.")
    var json = false

    func validate() throws {
        guard (2...200).contains(viewers) else {
            throw ValidationError("--viewers must be 2 to 200, not \(viewers).")
        }
        guard (1...600).contains(seconds) else {
            throw ValidationError("--seconds must be 1 to 600, not \(seconds).")
        }
    }

    func run() async throws {
        var settings = ServerSettings()
        settings.port = 0
        settings.k = childrenOfViewer
        settings.k1 = childrenOfSource
        try settings.validate()
        let (command, chosen) = (self, settings)
        try await exiting {
            let reader = try InputReader(command.clip)
            try await EmbeddedServer.withServer(chosen) { server in
                try await DemoRun(command: command, server: server).perform(reader)
            }
        }
    }
}
