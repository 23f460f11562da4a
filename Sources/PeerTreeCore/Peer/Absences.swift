/// Children whose links broke, and for whom a lossless stream waits a while: whoever feeds them next must still have what
/// they miss.
///
/// Nobody holds a stream back by coming and going: the time adds to what the child owes (``Arrears``), and a child is waited
/// for only so long in all, until it has stayed for a minute.
struct Absences {
    private struct Absence {
        let child: RemoteID
        /// The stream may run up to here; nil if it does not wait.
        var gate: UInt64?
        /// Since when it waits, or did.
        var since: Instant
        /// When it has waited long enough; if it does not wait, when this is forgotten.
        var until: Instant
        /// How long it has waited before.
        var spent: TimeSpan
        /// What the child owes; nil once it is back.
        var arrears: Arrears?

        mutating func stopWaiting(at now: Instant) {
            guard gate != nil else { return }
            gate = nil
            arrears?.note(isHoldingBack: false, rate: 1, at: now)
            spent = TimeSpan(nanoseconds: spent.nanoseconds + (now - since).nanoseconds)
            until = now + Absences.memory
        }
    }

    private var absences: [Absence] = []
    /// So many are remembered at most.
    private static let maximum = 64
    private static var memory: TimeSpan { .seconds(60) }

    /// A child's link broke.
    ///
    /// - Parameters:
    ///   - gate: it has asked for what is below this number.
    ///   - arrears: what it owed.
    ///   - timeout: how long it is waited for now.
    ///   - limit: how long in all.
    mutating func begin(
        _ child: RemoteID,
        gate: UInt64,
        owing arrears: Arrears,
        timeout: TimeSpan,
        limit: TimeSpan,
        at now: Instant
    ) {
        let index = absences.firstIndex { $0.child == child }
        let spent = index.map { absences.remove(at: $0).spent } ?? .zero
        if absences.count >= Self.maximum { absences.removeFirst() }
        var arrears = arrears
        arrears.note(isHoldingBack: true, rate: 1, at: now)
        let used = max(spent, arrears.owed)
        let until =
            now + min(timeout, TimeSpan(nanoseconds: limit.nanoseconds - min(limit.nanoseconds, used.nanoseconds)))
        absences.append(Absence(child: child, gate: gate, since: now, until: until, spent: spent, arrears: arrears))
    }

    /// A child is back.
    ///
    /// - Returns: what it owes; nil if it was not away.
    mutating func end(_ child: RemoteID, at now: Instant) -> Arrears? {
        guard let index = absences.firstIndex(where: { $0.child == child }) else { return nil }
        absences[index].stopWaiting(at: now)
        defer { absences[index].arrears = nil }
        return absences[index].arrears
    }

    /// Whether somebody is waited for.
    var areWaitedFor: Bool { absences.contains { $0.gate != nil } }

    /// How far the stream may run.
    var gate: UInt64 {
        absences.reduce(.max) { min($0, $1.gate ?? .max) }
    }

    /// When ``expire(at:)`` has something to do.
    var deadline: Instant {
        absences.reduce(.distantFuture) { min($0, $1.until) }
    }

    /// Waits no longer for those who have been away for too long.
    mutating func expire(at now: Instant) {
        absences.removeAll { $0.gate == nil && $0.until <= now }
        for index in absences.indices where absences[index].until <= now { absences[index].stopWaiting(at: now) }
    }
}
