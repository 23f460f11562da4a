import PeerTreeSimulator

/// Whole broadcasts in virtual time, for each input one without parity and one with it. An input's number is its seed;
/// nothing is fed from outside.
enum ChurnTarget {
    static func run(_ run: FuzzRun, _ note: (UInt64, [UInt8]) -> Void) throws -> UInt64 {
        for number in run.numbers {
            let seed = run.seed &- 1 &+ number
            note(number, [])
            do {
                for hasParity in [false, true] { try ChurnScenario(seed: seed, hasParity: hasParity).run() }
            } catch {
                throw FuzzFailure(run: run, number: number, input: [], reason: "\(error)")
            }
        }
        return run.inputs
    }
}
