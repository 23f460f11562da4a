import NIOCore

/// The test of a selected pair that may have died: questions in quick succession.
struct Doubt {
    /// Questions asked so far.
    private(set) var attempts = 0
    /// When to ask the next one; nil while there is no doubt.
    private(set) var nextAt: NIODeadline?
    private var begunAt: NIODeadline?

    var isUnderWay: Bool { self.nextAt != nil }

    /// Begins a test, at most one a second. False when there is one, or was one just now.
    mutating func begin(at now: NIODeadline) -> Bool {
        guard !self.isUnderWay else { return false }
        if let begunAt, now - begunAt < .seconds(1) { return false }
        (self.attempts, self.nextAt, self.begunAt) = (0, now, now)
        return true
    }

    mutating func asked(nextAt: NIODeadline) {
        self.attempts += 1
        self.nextAt = nextAt
    }

    mutating func end() {
        self.nextAt = nil
    }

    /// Forgets the last test, too: there is a new reason for one.
    mutating func reset() {
        self = Doubt()
    }
}
