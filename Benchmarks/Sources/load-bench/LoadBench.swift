import ArgumentParser

#if os(Linux)
import Glibc
#endif

/// A crowd of peers at a server that speaks simple-signal discovery over Socket.IO: this project's or the original's.
@main
struct LoadBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load-bench",
        abstract: "Put a crowd of peers on a signalling server and measure it.",
        discussion: """
            SCENARIOS
              joins    all sockets are open; then all join one tree
              connect  all connect and join
              steady   all are there; RATE a second leave, and as many connect and join
              idle     all are there; only heartbeats travel
              churn    as steady, every second departure without a word; watches depth and memory

            Prints one JSON object. With --server-pid, of a server on this machine, it tells the server's processor time
            and memory. The original's server needs --legacy:
              load-bench joins http://127.0.0.1:3000 --legacy --peers 19000 --server-pid PID

            Of a cluster, several servers may be given: peers go to one after the other, the source to the first. A process may
            have too few files for a large crowd: with --tree, which is told on standard error, more of them join one tree.
            """
    )

    /// What the command line asks for.
    struct Settings: ParsableArguments {
        @Option(help: "Peers, the source not counted.")
        var peers = 19_000

        @Option(help: "Connections or joins under way at a time.")
        var inFlight = 64

        @Option(help: "How long steady, idle and churn last.")
        var seconds = 60

        @Option(help: "Departures, and joins, a second in steady and churn.")
        var rate = 100

        @Flag(help: "Be peers of the original, which announce nothing.")
        var legacy = false

        @Flag(help: "Each join includes an offer to the parent and its answer.")
        var links = false

        @Flag(help: "Report status every 2 s, or as the server tells.")
        var status = false

        @Option(help: "Join this tree, and make none.")
        var tree: String?

        @Option(help: "How many addresses, from 127.0.0.2, connect; 0 leaves it to the system.")
        var sources = 64

        @Option(name: .customLong("server-pid"), help: "The server's process.")
        var serverPID: Int32?

        @Option(name: .customLong("k"), help: "The server's k, for the optimal depth.")
        var k = 4

        @Option(name: .customLong("k1"), help: "The server's k1, for the optimal depth.")
        var k1 = 10

        func validate() throws {
            guard peers > 0, inFlight > 0, seconds > 0, rate > 0, sources >= 0, k > 0, k1 > 0 else {
                throw ValidationError("Numbers must be above zero.")
            }
            guard sources <= 65_000 else { throw ValidationError("--sources must be at most 65000, not \(sources).") }
        }
    }

    @Argument(help: "joins, connect, steady, idle or churn.")
    var scenario: String

    @Argument(help: "The servers, such as http://127.0.0.1:3000; a path other than /socket.io/ may follow.")
    var urls: [String]

    @OptionGroup var settings: Settings

    func run() throws {
        #if os(Linux)
        guard let name = ScenarioName(rawValue: scenario) else {
            throw ValidationError("\(scenario) is no scenario: \(ScenarioName.allCases.map(\.rawValue)).")
        }
        try raiseFileLimit(to: settings.peers + 64)
        let crowd = try Crowd(
            options: CrowdOptions(
                urls: urls,
                tree: settings.tree,
                peers: settings.peers,
                isNative: !settings.legacy,
                links: settings.links,
                reportsStatus: settings.status && !settings.legacy,
                sources: settings.sources
            )
        )
        var run = Scenario(crowd: crowd, options: settings)
        print(try run.run(name).json)
        #else
        throw ValidationError("The load generator needs Linux: it waits with epoll and reads /proc.")
        #endif
    }

    #if os(Linux)
    private func raiseFileLimit(to count: Int) throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_max >= count else {
            throw ValidationError("\(settings.peers) peers need \(count) open files; the limit is \(limit.rlim_max).")
        }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    #endif
}
