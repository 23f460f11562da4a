import PeerTreeCore
import PeerTreeSignalling

@testable import PeerTreeCluster

/// Who has acted in which term of which slot, and what was seen that must not be.
struct CommandLedger {
    private(set) var violations: [String] = []
    /// What happened last, for whoever looks for the cause.
    private var trace: [String] = []
    private var actors: [FencingToken: NodeID] = [:]
    private var latest: [NodeID: [Slot: SlotTerm]] = [:]

    private static let longestTrace = 4_000

    /// A node takes a slot, or says something in the name of its owner.
    mutating func acts(_ node: NodeID, _ fence: FencingToken, at now: Instant) {
        if let other = actors[fence], other != node {
            violate("\(node) and \(other) both act in term \(fence.term) of slot \(fence.slot.number)", at: now)
        }
        actors[fence] = node
        if let before = latest[node]?[fence.slot], before > fence.term {
            violate("\(node) acts in \(fence) after \(before)", at: now)
        }
        latest[node, default: [:]][fence.slot] = fence.term
    }

    mutating func violate(_ words: String, at now: Instant) {
        note("VIOLATION: " + words, at: now)
        if violations.count < 10 { violations.append("at \(now.milliseconds): \(words)") }
    }

    mutating func note(_ words: @autoclosure () -> String, at now: Instant) {
        if trace.count >= 2 * Self.longestTrace { trace.removeFirst(Self.longestTrace) }
        trace.append("\(now.milliseconds) \(words())")
    }

    func lastEvents(_ count: Int) -> String { trace.suffix(count).joined(separator: "\n") }
}

extension Instant {
    var milliseconds: UInt64 { nanoseconds / 1_000_000 }
}
