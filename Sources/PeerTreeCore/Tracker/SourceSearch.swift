/// The end of a source's resume window, in which others are asked for word of the source.
public struct SourceSearch: Sendable {
    /// How often they are asked before the tree ends.
    public static let rounds = 5
    /// How long before the end the first time is, unless the window is shorter than twice that: then half of it.
    public static let longest = TimeSpan.seconds(5)

    /// How often they will be asked yet.
    var roundsLeft = 0
    /// When the timer of the source's absence is due.
    var due = Instant.zero

    /// Between two rounds, and between the last and the end.
    static func pause(_ window: TimeSpan) -> TimeSpan {
        TimeSpan(nanoseconds: min(longest.nanoseconds, window.nanoseconds / 2) / UInt64(rounds))
    }

    /// From the loss of the socket until the first round.
    static func quiet(_ window: TimeSpan) -> TimeSpan {
        TimeSpan(nanoseconds: window.nanoseconds - pause(window).nanoseconds * UInt64(rounds))
    }
}

extension BroadcastTree {
    /// The source's signalling socket is gone: from now on its window runs.
    mutating func awaitSource(_ context: inout TrackerContext) {
        search = SourceSearch(due: context.now + SourceSearch.quiet(context.options.sourceResumeWindow))
        startSourceTimer(.sourceResume, &context)
    }

    /// The window is about to end.
    mutating func searchSource(_ context: inout TrackerContext) {
        search.roundsLeft = SourceSearch.rounds
        sourceNotFound(&context)
    }

    /// Nobody has had word of the source since the last round.
    mutating func sourceNotFound(_ context: inout TrackerContext) {
        guard search.roundsLeft > 0 else { return end(.sourceLost, &context) }
        search.roundsLeft -= 1
        context.outputs.append(.sourceMissed(source: handle(of: SpanningTree.source)))
        // From when this round was due: whoever is late with the time does not make the window longer.
        search.due = search.due + SourceSearch.pause(context.options.sourceResumeWindow)
        startSourceTimer(.sourceSearch, &context)
    }

    /// Somebody has had word of the source: the window runs anew.
    mutating func sourceHeard(_ context: inout TrackerContext) {
        guard peers[Int(SpanningTree.source)].hasLostSignalling else { return }
        context.timers.cancel(&peers[Int(SpanningTree.source)].resumeTimer)
        awaitSource(&context)
    }

    private mutating func startSourceTimer(_ kind: TimerQueue.Kind, _ context: inout TrackerContext) {
        peers[Int(SpanningTree.source)].resumeTimer = context.timers.start(
            TimerQueue.Subject(tree: index, peer: SpanningTree.source, stripe: 0, kind: kind),
            deadline: search.due
        )
    }

    /// A native viewer whose signalling socket is not known to be gone; nil if there is none near the place in the table of
    /// peers that `number` stands for.
    func connectedViewer(near number: UInt64) -> Int32? {
        let start = Int(number % UInt64(max(1, peers.count)))
        // In a table of many gaps it is enough to have looked at some: there will be other rounds.
        for offset in 0..<min(peers.count, 64) {
            let index = (start + offset) % peers.count
            let peer = peers[index]
            guard index != Int(SpanningTree.source), peer.isOccupied, peer.isNative, !peer.isSuspect else { continue }
            return Int32(truncatingIfNeeded: index)
        }
        return nil
    }
}
