import ArgumentParser
import CoreMetrics
import NIOCore
import PeerTreeServer

/// `peer-tree serve`
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a signalling server: it introduces peers and places them in trees.",
        discussion: """
            Every option that takes a value can be given in three places: as a flag, in the environment under its name in
            capitals (--max-trees is PEER_TREE_MAX_TREES), and in a configuration file of JSON under its name
            ({"max-trees": 100}). Flags win over the environment, and the environment over the file.

            EXAMPLES
              peer-tree serve --host 0.0.0.0 --port 3000 --k 4 --k1 10
              peer-tree serve --config /etc/peer-tree.json --show-configuration
            """
    )

    @Option(help: ArgumentHelp("The configuration file, also as PEER_TREE_CONFIG.", valueName: "file"))
    var config: String?

    @OptionGroup(title: "Listening and placement")
    var server: ServerFlags

    @OptionGroup(title: "Several servers as one")
    var cluster: ClusterFlags

    @OptionGroup(title: "STUN and TURN")
    var iceServers: ICEServerFlags

    @OptionGroup(title: "Who may come")
    var access: AccessFlags

    @OptionGroup(title: "Limits")
    var limits: LimitFlags

    @Flag(help: "Print what is configured, and where each value comes from, as JSON; do not serve.")
    var showConfiguration = false

    @Flag(help: "Print one JSON object with the address once the server listens.")
    var json = false

    @Flag(name: .shortAndLong, help: "The same as --log-level debug.")
    var verbose = false

    func run() async throws {
        var flags = server.values.merging(access.values) { $1 }.merging(limits.values) { $1 }
        flags.merge(iceServers.values) { $1 }
        flags.merge(cluster.values) { $1 }
        if verbose { flags["log-level"] = flags["log-level"] ?? "debug" }
        let (given, file, json, shows) = (flags, config, json, showConfiguration)
        try await exiting(signalsAreSuccess: true) {
            var reader = try await SettingsReader(flags: given, file: file)
            var settings = try ServerSettings(&reader)
            if shows {
                Terminal.say(reader.description)
                return
            }
            let metrics = PrometheusMetrics()
            MetricsSystem.bootstrap(metrics)
            settings.metrics = metrics
            let chosen = settings
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
