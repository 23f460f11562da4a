import PeerTreeCore
package import TestSupport

/// A broadcast with liars in it, and what they do. As text it is a file of the corpus: see
/// `AdversaryScript+Text.swift`.
package struct AdversaryScript: Equatable, Sendable {
    var policy = StreamPolicy.lossless
    var stripes = 1
    /// Honest viewers.
    var viewers = 5
    /// Slots of a viewer and of the source.
    var k = 2
    var k1 = 2
    /// Whether the first member is in the tree before the honest viewers are.
    var isEarly = true
    /// Whether the source signs.
    var isSigned = false
    /// Seed of the network's delays.
    var seed: UInt64 = 1
    package var steps: [AdversaryStep] = []

    /// Clients that one adversary plays at most.
    static let maximumMembers = 4
    static let maximumSteps = 80

    /// Frames that this script sends, as far as there are neighbours to send them to.
    var frames: Int {
        steps.reduce(0) { sum, step in
            if case .send(_, _, _, let times, _) = step { sum + times } else { sum }
        }
    }

    // MARK: Making them up

    package static func random(_ random: inout SeededGenerator) -> AdversaryScript {
        var script = AdversaryScript()
        script.policy = [.lossless, .paced, .live].randomElement(using: &random) ?? .lossless
        script.stripes = [1, 1, 1, 1, 2, 3, 5].randomElement(using: &random) ?? 1
        script.viewers = Int.random(in: 2...6, using: &random)
        script.k = Int.random(in: 1...3, using: &random)
        script.k1 = Int.random(in: script.stripes...max(3, script.stripes), using: &random)
        script.isEarly = Int.random(in: 0..<4, using: &random) > 0
        script.seed = random.next() % 1_000_000
        script.steps = [.join(member: 0, capacity: 4), .wait(800)]
        for _ in 0..<Int.random(in: 2...24, using: &random) { script.steps.append(script.randomStep(&random)) }
        script.isSigned = Int.random(in: 0..<3, using: &random) == 0
        return script
    }

    /// A variation with up to eight changes; parts may come from `other`.
    package func mutated(with other: AdversaryScript, _ random: inout SeededGenerator) -> AdversaryScript {
        var script = self
        for _ in 0..<(1 << Int.random(in: 0...3, using: &random)) { script.change(other, &random) }
        if script.steps.count > Self.maximumSteps { script.steps.removeLast(script.steps.count - Self.maximumSteps) }
        return script
    }

    private mutating func change(_ other: AdversaryScript, _ random: inout SeededGenerator) {
        let position = Int.random(in: 0...steps.count, using: &random)
        let chance = Int.random(in: 0..<10, using: &random)
        guard position < steps.count, chance > 2 else {
            steps.insert(randomStep(&random), at: position)
            return
        }
        switch chance {
        case 3: steps.remove(at: position)
        case 4: steps.insert(steps[position], at: position)
        case 5: steps.swapAt(position, Int.random(in: 0..<steps.count, using: &random))
        case 6:
            let tail = Int.random(in: 0...other.steps.count, using: &random)
            steps.replaceSubrange(position..., with: other.steps[tail...])
        case 7:
            policy = other.policy
            seed = random.next() % 1_000_000
        default: vary(position, &random)
        }
    }

    private mutating func vary(_ position: Int, _ random: inout SeededGenerator) {
        guard case .send(let member, let target, let which, var times, var frame) = steps[position] else {
            steps[position] = randomStep(&random)
            return
        }
        switch Int.random(in: 0..<5, using: &random) {
        case 0: times = Self.randomTimes(&random)
        case 1: frame.marks = UInt32.random(in: 0..<64, using: &random)
        case 2: frame.size = [0, 1, 20, 1_000, 16_352].randomElement(using: &random) ?? 0
        default: frame.numbers[Int.random(in: 0..<3, using: &random)] = .random(&random)
        }
        steps[position] = .send(member: member, to: target, which: which, times: times, frame)
    }

    private static func randomTimes(_ random: inout SeededGenerator) -> Int {
        [1, 1, 2, 3, 8, 40, 120].randomElement(using: &random) ?? 1
    }

    private func randomStep(_ random: inout SeededGenerator) -> AdversaryStep {
        let member =
            Int.random(in: 0..<3, using: &random) > 0 ? 0 : Int.random(in: 1..<Self.maximumMembers, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case ..<56:
            return .send(
                member: member,
                to: AdversaryStep.Target.allCases.randomElement(using: &random) ?? .anyone,
                which: Int.random(in: 0..<4, using: &random),
                times: Self.randomTimes(&random),
                .random(&random, stripes: stripes)
            )
        case ..<70: return .wait([0, 1, 10, 100, 300, 1_000].randomElement(using: &random) ?? 0)
        case ..<78: return .join(member: member, capacity: Int.random(in: 0...6, using: &random))
        case ..<81: return .leave(member: member)
        case ..<83: return .vanish(member: member)
        case ..<85: return .blip(member: member, Int.random(in: 10...2_000, using: &random))
        case ..<87: return .accept(member: member, Bool.random(using: &random))
        case ..<89: return .offer(member: member, opens: Bool.random(using: &random))
        case ..<93: return .hold(member: member, UInt16.random(in: 0..<8_192, using: &random))
        case ..<95: return .forge(member: member, Bool.random(using: &random))
        case ..<98: return .complain(member: member, reason: UInt8.random(in: 0..<7, using: &random))
        default: return .denounce(member: member, client: Int.random(in: 0..<viewers + 2, using: &random))
        }
    }
}
