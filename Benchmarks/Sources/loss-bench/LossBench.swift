import Foundation
import NetworkEmulation

/// What reliable, ordered channels make of an emulated network: a bottleneck with a finite queue, loss and delay.
///
///     loss-bench [bulk|shared|paced]... [--seconds S] [--loss PERCENT,…] [--trip MS,…] [--rate MBIT,…] [--queue BDP,…]
///                [--flows N,…] [--virtual yes] [--seed N]
///
/// `bulk`: one flow that always has something to send. `shared`: as many as `--flows` says through one uplink, without
/// loss. `paced`: 10 KB thirty times a second. All three unless told otherwise. The round trip is that without queues;
/// the queue is in bandwidth-delay products.
///
/// What is measured is the transport in real time; with `--virtual yes` it is the SCTP library in virtual time, where the
/// same seed gives the same figures on any machine.
@main
enum LossBench {
    static func main() async throws {
        let options = Options(Array(CommandLine.arguments.dropFirst()))
        if options.includes("bulk") {
            for path in options.paths() {
                try await Self.run("bulk", path, Workload(flows: 1, isPaced: false), options)
            }
        }
        if options.includes("shared") {
            for flows in options.flows {
                for path in options.paths(losses: [0]) {
                    try await Self.run("\(flows) flows", path, Workload(flows: flows, isPaced: false), options)
                }
            }
        }
        if options.includes("paced") {
            for path in options.paths() {
                try await Self.run("paced", path, Workload(flows: 1, isPaced: true), options)
            }
        }
    }

    private static func run(_ name: String, _ path: Path, _ workload: Workload, _ options: Options) async throws {
        let result =
            if options.isVirtual {
                VirtualRun.measure(path, workload, seconds: options.seconds, seed: options.seed)
            } else {
                try await Run.measure(path, workload, seconds: options.seconds)
            }
        print(name, path, result, separator: "  ")
        fflush(nil)
    }
}

/// What lies between the ends.
struct Path: CustomStringConvertible {
    /// Percent of the datagrams, each by itself, in both directions.
    var loss: Double
    /// Milliseconds.
    var roundTrip: Double
    /// Megabits a second, from sender to receiver.
    var rate: Double
    /// Bandwidth-delay products.
    var queue: Double

    var delay: Duration { .nanoseconds(Int64(self.roundTrip * 1e6 / 2)) }

    var forth: PathConditions {
        let trip = Duration.nanoseconds(Int64(self.roundTrip * 1e6))
        let bottleneck = Bottleneck.Conditions(rate: Int(self.rate * 1e6), roundTrip: trip, products: self.queue)
        return PathConditions(delay: self.delay, loss: self.loss / 100, bottleneck: bottleneck)
    }

    var back: PathConditions { PathConditions(delay: self.delay, loss: self.loss / 100) }

    var description: String {
        String(format: "%2.0f Mbit/s  %3.0f ms  queue %3.1f BDP  loss %3.1f %%", rate, roundTrip, queue, loss)
    }
}

struct Workload {
    var flows: Int
    /// 10 KB thirty times a second; otherwise as much as goes.
    var isPaced: Bool
}

struct Options {
    var scenarios: [String] = []
    var seconds = 5.0
    var losses = [0.0, 1, 5]
    var trips = [20.0, 50]
    var rates = [20.0, 50]
    var queues = [0.5, 1]
    var flows = [4, 16]
    var isVirtual = false
    var seed: UInt64 = 1

    init(_ arguments: [String]) {
        var rest = arguments[...]
        while let option = rest.popFirst() {
            guard option.hasPrefix("--") else {
                self.scenarios.append(option)
                continue
            }
            let value = rest.popFirst() ?? ""
            let list = value.split(separator: ",").compactMap { Double($0) }
            switch option {
            case "--seconds": self.seconds = list.first ?? self.seconds
            case "--loss": self.losses = list
            case "--trip": self.trips = list
            case "--rate": self.rates = list
            case "--queue": self.queues = list
            case "--flows": self.flows = list.map { Int($0) }
            case "--virtual": self.isVirtual = value == "yes"
            case "--seed": self.seed = UInt64(value) ?? self.seed
            default: print("unknown option \(option)")
            }
        }
    }

    func includes(_ scenario: String) -> Bool { self.scenarios.isEmpty || self.scenarios.contains(scenario) }

    func paths(losses: [Double]? = nil) -> [Path] {
        var paths: [Path] = []
        for rate in self.rates {
            for trip in self.trips {
                for queue in self.queues {
                    for loss in losses ?? self.losses {
                        paths.append(Path(loss: loss, roundTrip: trip, rate: rate, queue: queue))
                    }
                }
            }
        }
        return paths
    }
}
