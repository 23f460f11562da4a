import NIOCore

/// Holds a stream to a rate: a token bucket that allows a tenth of a second at once.
struct Pacer {
    private let bytesPerSecond: Double
    private var paidUntil: ContinuousClock.Instant

    init(bytesPerSecond: Int) {
        self.bytesPerSecond = Double(bytesPerSecond)
        paidUntil = .now
    }

    /// Waits until `count` more bytes may go.
    mutating func wait(for count: Int) async throws {
        let now = ContinuousClock.now
        paidUntil = max(paidUntil, now - .milliseconds(100)) + .seconds(Double(count) / bytesPerSecond)
        if paidUntil > now { try await Task.sleep(until: paidUntil, clock: .continuous) }
    }
}
