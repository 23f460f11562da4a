import VirtualTransport

/// Messages over bad paths in virtual time. An input's number is its seed; nothing is fed from outside.
enum PathTarget {
    static func run(_ run: FuzzRun, _ note: (UInt64, [UInt8]) -> Void) throws -> UInt64 {
        for number in run.numbers {
            note(number, [])
            var traffic = RandomTraffic(seed: run.seed &- 1 &+ number)
            if let flaw = traffic.run() { throw FuzzFailure(run: run, number: number, input: [], reason: flaw) }
        }
        return run.inputs
    }
}
