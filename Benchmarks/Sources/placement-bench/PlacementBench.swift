import Foundation
import Measuring
import PeerTreeCore
import TestSupport

/// `placement-bench [PEERS]`: joins into one tree, then departures and joins of random peers.
@main
struct PlacementBench {
    static func main() throws {
        let peers = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1_000_000
        var bench = try PlacementBench(peers: peers)
        try bench.joinAll()
        try bench.attachAll()
        try bench.churn(rounds: min(peers, 300_000))
    }

    private var tracker = Tracker()
    private let source: PeerHandle
    private var viewers: [PeerHandle]
    private var now = Instant.zero
    private var random = SeededGenerator(seed: 1)

    private init(peers: Int) throws {
        source = try tracker.createTree(isNative: true, at: now)
        // Touched beforehand, so that the list of handles does not count as the tracker's memory.
        viewers = Array(repeating: source, count: peers)
    }

    private mutating func joinAll() throws {
        let memory = residentBytes()
        let begin = nanoseconds()
        for index in viewers.indices {
            viewers[index] = try tracker.join(source.tree, isNative: true, at: now)
            while tracker.nextOutput() != nil {}
        }
        let each = Double(nanoseconds() - begin) / Double(viewers.count)
        let bytes = Double(residentBytes() - memory) / Double(viewers.count)
        report("join", String(format: "%8.0f ns    (target 2000; the original: 2,000,000 at 20,000 peers)", each))
        report("memory of a peer", String(format: "%8.0f bytes (target 250; the original: 15,000)", bytes))
        report("depth", "\(try tracker.maximumDepth(of: source.tree)) levels for \(viewers.count) viewers")
    }

    private mutating func attachAll() throws {
        let begin = nanoseconds()
        for viewer in viewers { try tracker.handle(.attached(viewer, stripe: 0, epoch: 1), at: now) }
        report("attach", String(format: "%8.0f ns", Double(nanoseconds() - begin) / Double(viewers.count)))
        while tracker.nextOutput() != nil {}
    }

    /// A random viewer leaves, its orphans attach to where they are told, another viewer joins.
    private mutating func churn(rounds: Int) throws {
        let memory = residentBytes()
        var leaving: UInt64 = 0
        var joining: UInt64 = 0
        var slowest: UInt64 = 0
        for _ in 0..<rounds {
            now = now + .microseconds(100)
            let victim = Int.random(in: viewers.indices, using: &random)
            let begin = nanoseconds()
            try tracker.handle(.leave(viewers[victim]), at: now)
            let taken = nanoseconds() - begin
            leaving += taken
            slowest = max(slowest, taken)
            try obeyAssignments()
            let joinBegin = nanoseconds()
            viewers[victim] = try tracker.join(source.tree, isNative: true, at: now)
            joining += nanoseconds() - joinBegin
            try tracker.handle(.attached(viewers[victim], stripe: 0, epoch: 1), at: now)
            try obeyAssignments()
        }
        report(
            "leave",
            String(format: "%8.0f ns    (slowest %.0f us)", Double(leaving) / Double(rounds), Double(slowest) / 1000)
        )
        report("join under churn", String(format: "%8.0f ns", Double(joining) / Double(rounds)))
        report("growth", "\((residentBytes() - memory) >> 10) KiB over \(rounds) departures and joins")
        report("depth", "\(try tracker.maximumDepth(of: source.tree)) levels")
    }

    private mutating func obeyAssignments() throws {
        while let output = tracker.nextOutput() {
            if case .assign(let peer, let assignment, _) = output, assignment.parent != nil {
                try tracker.handle(.attached(peer, stripe: 0, epoch: assignment.epoch), at: now)
            }
        }
    }
}
