import ArgumentParser
import Configuration
import Logging
import NIOCore
import PeerTreeServer
import ServiceLifecycle
import SocketIO

/// `peer-tree serve`
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a signalling server: it introduces peers and places them in trees.",
        discussion: """
            Each option can also come from the environment: PEER_TREE_HOST, PEER_TREE_PORT, PEER_TREE_K, PEER_TREE_K1.

            EXAMPLE
              peer-tree serve --host 0.0.0.0 --port 3000 --k 4 --k1 10
            """
    )

    @Option(help: "The address to listen on (default: 127.0.0.1).")
    var host: String?

    @Option(help: "The port to listen on; 0 takes a free one (default: 3000).")
    var port: Int?

    @Option(name: .customLong("k"), help: "How many children a viewer feeds at most (default: 4).")
    var childrenOfViewer: Int?

    @Option(name: .customLong("k1"), help: "How many children a source feeds at most (default: 10).")
    var childrenOfSource: Int?

    @Flag(help: "Print one JSON object with the address once the server listens.")
    var json = false

    @Flag(name: .shortAndLong, help: "Log what happens, on standard error.")
    var verbose = false

    func run() async throws {
        let environment = ConfigReader(provider: EnvironmentVariablesProvider())
        var settings = ServerSettings()
        settings.host = host ?? environment.string(forKey: "peer.tree.host", default: "127.0.0.1")
        settings.port = port ?? environment.int(forKey: "peer.tree.port", default: 3000)
        settings.k = childrenOfViewer ?? environment.int(forKey: "peer.tree.k", default: 4)
        settings.k1 = childrenOfSource ?? environment.int(forKey: "peer.tree.k1", default: 10)
        settings.verbose = verbose
        try settings.validate()
        let (chosen, json) = (settings, json)
        try await exiting(signalsAreSuccess: true) {
            try await chosen.run { address in
                if json {
                    Terminal.say(#"{"event":"listening","host":"\#(chosen.host)","port":\#(address.port ?? 0)}"#)
                } else {
                    Terminal.say("Serving on \(chosen.url(port: address.port ?? chosen.port))")
                }
            }
        }
    }
}

/// What a server is started with, by `serve` or inside `broadcast` and `demo`.
struct ServerSettings: Sendable {
    var host = "127.0.0.1"
    var port = 3000
    var k = 4
    var k1 = 10
    var verbose = false

    /// - Throws: an error that names the option that is out of range.
    func validate() throws {
        guard (0...65_535).contains(port) else {
            throw ValidationError("--port must be 0 to 65535, not \(port).")
        }
        guard (1...64).contains(k) else { throw ValidationError("--k must be 1 to 64, not \(k).") }
        guard (1...64).contains(k1) else { throw ValidationError("--k1 must be 1 to 64, not \(k1).") }
    }

    /// The address as viewers use it. Of a server that listens on all addresses, one that others can reach.
    func url(port: Int) -> String {
        let name = host == "0.0.0.0" || host == "::" ? Self.reachableAddress ?? "127.0.0.1" : host
        return name.contains(":") ? "http://[\(name)]:\(port)" : "http://\(name):\(port)"
    }

    private static var reachableAddress: String? {
        let devices = (try? System.enumerateDevices()) ?? []
        let addresses = devices.compactMap { $0.address }.filter { $0.protocol == .inet }.compactMap { $0.ipAddress }
        return addresses.first { !$0.hasPrefix("127.") && !$0.hasPrefix("169.254.") }
    }

    /// Serves until the task is cancelled.
    func run(onListening: @escaping @Sendable (SocketAddress) async -> Void) async throws {
        let logger = Logs.make("peer-tree.server", verbose: verbose)
        let io = SocketIOServer(logger: logger)
        let peers = PeerTreeServer(io, k: k, k1: k1, logger: logger)
        var web = PeerTreeWebServer.Configuration()
        web.host = host
        web.port = port
        let server = PeerTreeWebServer(
            io: io,
            peers: peers,
            configuration: web,
            logger: logger,
            onListening: onListening
        )
        do {
            try await ServiceGroup(services: [server], logger: logger).run()
        } catch let error as ListenError {
            throw Failure(status: .osError, message: error.description)
        }
    }
}
