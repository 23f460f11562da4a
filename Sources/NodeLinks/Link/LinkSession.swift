import NIOCore

/// What two processes have in common as long as both live, whatever connections come and go: numbers.
struct LinkSession {
    let id: LinkID
    /// Both ends know of it. At the dialing side only once the other has answered.
    var isAgreed: Bool
    var queue = SendQueue()
    var received = ReceivedNumbers()
    /// What the user was told last.
    var isWritable = true

    init(_ id: LinkID, isAgreed: Bool) {
        self.id = id
        self.isAgreed = isAgreed
    }
}

/// Which of the other's numbers have come, and which of them it knows of.
struct ReceivedNumbers {
    private(set) var last: UInt64 = 0
    private var unacknowledgedFrames = 0
    private var unacknowledgedBytes = 0
    /// When the other is to be told.
    private(set) var deadline: NIODeadline?

    /// - Returns: whether it is the one that comes next.
    mutating func receive(_ number: UInt64, bytes: Int, at now: NIODeadline, _ options: LinkOptions) -> Bool {
        let (next, overflow) = last.addingReportingOverflow(1)
        guard !overflow, number == next else { return false }
        last = number
        unacknowledgedFrames += 1
        unacknowledgedBytes += bytes
        let isMuch =
            unacknowledgedFrames >= options.acknowledgementFrames
            || unacknowledgedBytes >= options.acknowledgementBytes
        let due = isMuch ? now : now + options.acknowledgementDelay
        deadline = min(deadline ?? due, due)
        return true
    }

    /// The other is being told.
    mutating func acknowledge() {
        (unacknowledgedFrames, unacknowledgedBytes) = (0, 0)
        deadline = nil
    }
}
