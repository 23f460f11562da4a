import Foundation
import Fuzzing
import Synchronization

/// Says on standard error how far a long run has got, every ten seconds.
final class FuzzProgress: Sendable {
    private static let interval = Duration.seconds(10)

    private let target: String
    private let inputs: UInt64
    private let begin = ContinuousClock.now
    private let next: Mutex<ContinuousClock.Instant>

    init(of target: FuzzTargetName, inputs: UInt64) {
        self.target = target.rawValue
        self.inputs = inputs
        next = Mutex(begin + Self.interval)
    }

    func tell(_ used: UInt64) {
        // A glance at the clock costs more than many an input.
        guard target == FuzzTargetName.adversary.rawValue || used % 256 == 0 else { return }
        let now = ContinuousClock.now
        let isDue = next.withLock { next in
            guard next <= now else { return false }
            next = now + Self.interval
            return true
        }
        guard isDue else { return }
        let line = "\(target): \(used) of \(inputs) inputs, \((now - begin).components.seconds) s\n"
        FileHandle.standardError.write(Data(line.utf8))
    }
}
