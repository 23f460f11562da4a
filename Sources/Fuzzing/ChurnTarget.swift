import PeerTreeSimulator

/// Whole broadcasts in virtual time. An input's number is its seed; nothing is fed from outside.
enum ChurnTarget {
    static func run(_ run: FuzzRun, _ note: (UInt64, [UInt8]) -> Void) throws -> UInt64 {
        for number in run.numbers {
            let seed = run.seed &- 1 &+ number
            note(number, [])
            do {
                try ChurnScenario(seed: seed).run()
            } catch {
                throw FuzzFailure(run: run, number: number, input: [], reason: "\(error)")
            }
        }
        return run.inputs
    }
}
