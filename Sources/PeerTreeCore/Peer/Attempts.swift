/// Connections to parents of one stripe that take long: when the server is asked for another parent, and what is waited for
/// beside that one.
struct Attempts {
    /// A connection that may still come about.
    struct Overdue {
        let remote: RemoteID
        /// When it is given up.
        let deadline: Instant
    }

    /// A link that may feed, what it was asked for, and until when it may answer.
    struct Late {
        let link: LinkID
        var question = SubscriptionQuestion()
        let deadline: Instant
    }

    private(set) var overdue: [Overdue] = []
    /// When the server is asked for another parent than the one that is being connected to.
    private(set) var patienceEnd = Instant.distantFuture
    /// The server was asked, since the connection under way takes long.
    private(set) var isImpatient = false
    /// Who feeds meanwhile if it will, and has not answered yet: the link of an overdue connection that came about after all,
    /// or of a standby that this peer had turned to when the server named the parent before that once more.
    private(set) var late: Late?
    /// How long the next connection may take; nil for the first.
    private var patience: TimeSpan?

    /// A connection is being made.
    mutating func begin(patience first: TimeSpan, at now: Instant) {
        patienceEnd = now + (patience ?? first)
        isImpatient = false
    }

    /// The server is asked. Whose connections all take that long must get one, too: the next question has twice the time.
    mutating func ask(patience first: TimeSpan, at now: Instant) {
        let current = patience ?? first
        let next = TimeSpan(nanoseconds: current.nanoseconds.addingSaturating(current.nanoseconds))
        patience = next
        patienceEnd = now + next
        isImpatient = true
    }

    mutating func keep(_ remote: RemoteID, until deadline: Instant) {
        drop(remote)
        overdue.append(Overdue(remote: remote, deadline: deadline))
    }

    /// - Returns: whether it was waited for.
    @discardableResult
    mutating func drop(_ remote: RemoteID) -> Bool {
        let count = overdue.count
        overdue.removeAll { $0.remote == remote }
        return overdue.count < count
    }

    // MARK: Who may feed meanwhile

    mutating func expectAnswer(of late: Late) {
        self.late = late
    }

    mutating func asked(_ question: SubscriptionQuestion) {
        late?.question = question
    }

    mutating func answered() {
        late = nil
    }

    /// Gives up what should have come about by now.
    mutating func takeExpired(at now: Instant) -> [RemoteID] {
        guard deadline <= now else { return [] }
        let expired = overdue.filter { $0.deadline <= now }
        overdue.removeAll { $0.deadline <= now }
        return expired.map { $0.remote }
    }

    func contains(_ remote: RemoteID) -> Bool { overdue.contains { $0.remote == remote } }

    /// When the next one is given up.
    var deadline: Instant { overdue.reduce(late?.deadline ?? .distantFuture) { min($0, $1.deadline) } }
}
