/// How far has the source got? A peer that has reason to doubt its own position asks its parent, which asks its own, up
/// to the source; the answer comes down the same way.
///
/// Whatever a peer had when it asked lies below an honest answer, since the source wrote it before. What does not was
/// never written. Nothing is guessed from clocks or from how far a parent has got.
struct Inquiry {
    /// What was so when the question went out.
    struct Standing {
        let frontier: UInt64?
        /// What was held beyond the frontier, in order. See ``ReplayBuffer/runs(from:atMost:)``.
        let held: [SequenceRange]

        /// The most runs that are told apart.
        static let maximumRuns = 16

        /// The lowest number that was held although the source had written no further than `next`; nil if none was.
        func firstNeverWritten(_ next: UInt64) -> UInt64? {
            held.first { $0.end > next }.map { max($0.start, next) }
        }
    }

    /// A question that is on its way.
    private struct Question {
        let link: LinkID
        let standing: Standing
        var children: [LinkID]
    }

    private var asked: Question?
    /// What former parents were asked and have not answered, one question each. Their answers are older than what is asked of
    /// them later, and do not say so.
    private var unanswered: [Question] = []
    /// Whether this peer itself wants to know, and which children do, once the question on its way is answered: what
    /// the source says to that one may be older than theirs.
    private var isWanted = false
    private var children: [LinkID] = []
    /// When this peer last wanted to know.
    private var lastWanted: Instant?

    /// - Returns: whether it is worth asking: not if the last time is less than `pause` ago.
    mutating func want(at now: Instant, pause: TimeSpan) -> Bool {
        if let lastWanted, now - lastWanted < pause { return false }
        lastWanted = now
        isWanted = true
        return true
    }

    /// A child asks. It may have one question at a time.
    mutating func add(_ child: LinkID) {
        if asked?.children.contains(child) == true || children.contains(child) { return }
        children.append(child)
    }

    /// Whether a question waits for its answer.
    var isUnderWay: Bool { asked != nil }

    /// Whether a question should go out now.
    var isDue: Bool {
        asked == nil && (isWanted || !children.isEmpty)
    }

    /// - Returns: whether the question has to go out. One that this neighbour owes an answer to is waited for first.
    mutating func ask(_ link: LinkID, _ standing: Standing) -> Bool {
        if let index = unanswered.firstIndex(where: { $0.link == link }) {
            asked = unanswered.remove(at: index)
            return false
        }
        asked = Question(link: link, standing: standing, children: children)
        children.removeAll()
        isWanted = false
        return true
    }

    /// Takes an answer: what was so when the question went out, and who waits below; nil if nothing was asked of this
    /// neighbour.
    mutating func answered(by link: LinkID) -> (standing: Standing, children: [LinkID])? {
        unanswered.removeAll { $0.link == link }
        guard let asked, asked.link == link else { return nil }
        self.asked = nil
        return (asked.standing, asked.children)
    }

    /// Whether this neighbour was asked, now or as the parent that it was before.
    func isOwed(by link: LinkID) -> Bool {
        asked?.link == link || unanswered.contains { $0.link == link }
    }

    /// A neighbour is gone: what it was asked is asked again of the next parent.
    mutating func forget(_ id: LinkID) {
        children.removeAll { $0 == id }
        if asked?.link == id { takeBack() }
        unanswered.removeAll { $0.link == id }
    }

    /// What anybody but `id` was asked is asked again, too.
    mutating func takeBack(unless id: LinkID? = nil) {
        guard var question = asked, question.link != id else { return }
        children = question.children.filter { !children.contains($0) } + children
        isWanted = true
        asked = nil
        question.children.removeAll()
        unanswered.append(question)
    }
}
