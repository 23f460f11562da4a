/// Asking the standby for what the parent does not send, without giving the parent up.
///
/// The first time after a few intervals of silence, then once an interval for as long as the parent says nothing new and
/// the standby does. What the standby lacks as well was probably not written: each question in vain doubles the wait.
struct Pull {
    /// What was asked of the standby, and may come from it.
    private(set) var asked: SequenceRange?
    /// When the parent last sent something new, and when it last said that there was nothing.
    private var lastFed = Instant.zero
    private var lastHeard = Instant.zero
    /// When the next question may go out.
    private var nextAttempt = Instant.zero
    private var wait = Pull.leastWait
    /// The parent asks its own standby, and wants to be waited for; once until something new comes.
    private var heldUntil = Instant.zero
    private var wasHeld = false

    private static let leastWait = TimeSpan.milliseconds(20)
    private static let longestWait = TimeSpan.seconds(1)
    /// How long a peer waits for a parent that asks elsewhere.
    private static let hold = TimeSpan.milliseconds(300)

    /// Whether anything was asked since the parent last sent something new.
    var isUnderWay: Bool { asked != nil }

    /// A parent that says nothing new, and not even that there is nothing, is doubted after this time, however slow the
    /// stream: pulses come twice a second.
    private static let pulseSilence = TimeSpan.milliseconds(1_250)
    /// What the parent says does not have to be true: after so long the standby is asked all the same.
    private static let longestPatience = TimeSpan.seconds(3)

    /// When to ask.
    func due(patience: TimeSpan) -> Instant {
        max(max(doubt(patience: patience), nextAttempt), heldUntil)
    }

    /// When the parent has been silent for remarkably long.
    func doubt(patience: TimeSpan) -> Instant {
        min(lastFed + min(patience, Self.longestPatience), max(lastFed, lastHeard) + Self.pulseSilence)
    }

    /// The parent says that there is nothing new.
    mutating func heard(at now: Instant) {
        lastHeard = now
    }

    /// Time in which the machine slept counts against nobody.
    mutating func forgive(_ pause: TimeSpan, until now: Instant) {
        lastFed = min(now, lastFed + pause)
        lastHeard = min(now, lastHeard + pause)
    }

    /// The parent has sent something new, or there is another parent.
    mutating func fed(at now: Instant) {
        lastFed = now
        asked = nil
        nextAttempt = .zero
        heldUntil = .zero
        wasHeld = false
    }

    /// The standby has sent something new: it may well have more soon.
    mutating func helped(interval: TimeSpan?, at now: Instant) {
        wait = max(interval ?? Self.leastWait, Self.leastWait)
        nextAttempt = now + wait
        wasHeld = false
    }

    /// A question goes out.
    mutating func ask(_ range: SequenceRange, interval: TimeSpan?, at now: Instant) {
        if asked == nil { wait = max(interval ?? Self.leastWait, Self.leastWait) }
        asked = range
        nextAttempt = now + wait
        wait = min(TimeSpan(nanoseconds: 2 * wait.nanoseconds), Self.longestWait)
    }

    /// The parent asks its standby.
    mutating func holdOff(at now: Instant) {
        guard !wasHeld else { return }
        wasHeld = true
        heldUntil = now + Self.hold
    }

    func expects(_ sequence: UInt64) -> Bool {
        asked?.contains(sequence) ?? false
    }
}
