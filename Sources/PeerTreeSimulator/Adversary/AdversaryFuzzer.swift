package import TestSupport

/// Grows scripts: what did something new is kept and varied.
package struct AdversaryFuzzer {
    private var pool: [AdversaryScript]
    private var seen = Set<UInt32>()

    /// More scripts than this are not kept; a new one then takes the place of one drawn by lot.
    private static let maximumPool = 1_024

    /// - Parameter corpus: scripts to begin with.
    package init(corpus: [AdversaryScript]) {
        pool = corpus
    }

    /// The next script to try.
    package func next(_ random: inout SeededGenerator) -> AdversaryScript {
        guard let one = pool.randomElement(using: &random), let other = pool.randomElement(using: &random),
            Int.random(in: 0..<4, using: &random) > 0
        else { return .random(&random) }
        return one.mutated(with: other, &random)
    }

    /// Keeps a script if it did what none before it had done.
    package mutating func note(_ script: AdversaryScript, did features: Set<UInt32>, _ random: inout SeededGenerator) {
        guard !features.isSubset(of: seen) else { return }
        seen.formUnion(features)
        if pool.count < Self.maximumPool {
            pool.append(script)
        } else {
            pool[Int.random(in: 0..<pool.count, using: &random)] = script
        }
    }
}
