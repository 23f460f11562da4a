import PeerTreeSignalling
import TestSupport

@testable import PeerTreeSignalling

/// A gateway that draws from this makes ids of trees that fall into a few slots: those that the nodes of a small world have.
struct SlottedGenerator: RandomNumberGenerator, Sendable {
    private var random: SeededGenerator
    private var ready: [UInt64] = []
    private let slots: Set<Slot>

    init(seed: UInt64, slots: [Slot]) {
        random = SeededGenerator(seed: seed)
        self.slots = Set(slots)
    }

    mutating func next() -> UInt64 {
        while ready.isEmpty {
            var recorder = Recorder(random: random)
            if slots.contains(Slot(ofTree: Credentials.treeID(using: &recorder))) { ready = recorder.drawn }
            random = recorder.random
        }
        return ready.removeFirst()
    }

    private struct Recorder: RandomNumberGenerator {
        var random: SeededGenerator
        var drawn: [UInt64] = []

        mutating func next() -> UInt64 {
            let number = random.next()
            drawn.append(number)
            return number
        }
    }
}
