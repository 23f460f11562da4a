package import NIOCore

/// How long to wait before each further attempt: exponential, bounded, and spread at random so that the clients of a
/// server that restarts do not all come back at once.
package struct Backoff: Sendable {
    package let minimum: TimeAmount
    package let maximum: TimeAmount
    /// From 0 (none) to 1: by which part of itself a delay may be longer or shorter.
    package let randomization: Double
    /// Attempts since the last success.
    package private(set) var attempts = 0

    package init(minimum: TimeAmount, maximum: TimeAmount, randomization: Double) {
        self.minimum = minimum
        self.maximum = maximum
        self.randomization = min(max(randomization, 0), 1)
    }

    /// The delay before the next attempt, which is thereby counted.
    package mutating func next(using generator: inout some RandomNumberGenerator) -> TimeAmount {
        // 2^40 times any sensible minimum is beyond any sensible maximum.
        let doubled = Double(max(minimum.nanoseconds, 0)) * Double(UInt64(1) << UInt64(min(attempts, 40)))
        attempts += 1
        let spread = doubled * randomization
        let delay = spread > 0 ? doubled + Double.random(in: -spread...spread, using: &generator) : doubled
        return .nanoseconds(Int64(exactly: min(delay, Double(maximum.nanoseconds)).rounded()) ?? maximum.nanoseconds)
    }

    /// Forgets past failures.
    package mutating func reset() { attempts = 0 }
}
