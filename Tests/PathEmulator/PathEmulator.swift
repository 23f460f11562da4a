import Foundation
import NetworkEmulation

/// A bad network between TUN devices, in real time: what leaves by one comes in by another, after what a `NetworkPath` does
/// to it. It carries whatever the kernel routes there: its own TCP, browsers, peers of ours.
///
///     path-emulator --device FD --device FD … [--rate MBIT] [--trip MS] [--queue BDP] [--loss PERCENT] [--burst N]
///                   [--jitter MS] [--duplication PERCENT] [--reordering PERCENT] [--seed N]
///
/// The descriptors are those of devices without packet information (IFF_TUN, IFF_NO_PI), opened by whoever starts it. The
/// n-th device gets the IPv4 packets whose destination ends with n; others are dropped. From each device to each there is a
/// path of its own. Those from the first device have the bottleneck; the others only take time, and lose as much. With
/// `--burst`, datagrams are lost in bursts of so many on average. The queue is in bandwidth-delay products, and counts whole
/// IP packets.
///
/// A line on standard input is answered with a line of JSON, what became so far of the packets from the first device, and
/// (`back`) of all others; it ends with the input.
@main
enum PathEmulator {
    static func main() throws {
        let options = try EmulatorOptions(Array(CommandLine.arguments.dropFirst()))
        let relay = PacketRelay(options)
        try relay.run()
    }
}

/// What was asked for.
struct EmulatorOptions {
    var devices: [Int32] = []
    var forth = PathConditions()
    var back = PathConditions()
    var seed: UInt64 = 1

    init(_ arguments: [String]) throws {
        var (rate, trip, queue, loss, burst) = (0.0, 0.0, 1.0, 0.0, 1.0)
        var rest = arguments[...]
        while let option = rest.popFirst() {
            guard let value = rest.popFirst().flatMap({ Double($0) }) else { throw UsageError(option: option) }
            switch option {
            case "--device": self.devices.append(Int32(value))
            case "--rate": rate = value
            case "--trip": trip = value
            case "--queue": queue = value
            case "--loss": loss = value / 100
            case "--burst": burst = value
            case "--jitter": self.forth.jitter = .nanoseconds(Int64(value * 1e6))
            case "--duplication": self.forth.duplication = value / 100
            case "--reordering": self.forth.reordering = value / 100
            case "--seed": self.seed = UInt64(max(0, value))
            default: throw UsageError(option: option)
            }
        }
        guard (2...254).contains(self.devices.count) else { throw UsageError(option: "--device") }
        let roundTrip = Duration.nanoseconds(Int64(trip * 1e6))
        self.forth.delay = roundTrip / 2
        if burst > 1 {
            self.forth.burstLoss = GilbertElliott(loss: loss, meanBurst: burst)
        } else {
            self.forth.loss = loss
        }
        self.back = self.forth
        if rate > 0 {
            var bottleneck = Bottleneck.Conditions(rate: Int(rate * 1e6), roundTrip: roundTrip, products: queue)
            bottleneck.overhead = 0
            self.forth.bottleneck = bottleneck
        }
    }
}

struct UsageError: Error, CustomStringConvertible {
    var option: String
    var description: String { "\(self.option): no such option, or its number is missing or out of range" }
}
