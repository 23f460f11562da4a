import PeerTreeCore

/// What is to happen, in the order of time; what is planned for one time happens in the order of its planning.
struct Agenda<Event> {
    /// The next one last.
    private var planned: [(at: Instant, event: Event)] = []

    mutating func plan(_ event: Event, at instant: Instant) {
        var (low, high) = (0, planned.count)
        while low < high {
            let middle = (low + high) / 2
            if planned[middle].at > instant { low = middle + 1 } else { high = middle }
        }
        planned.insert((instant, event), at: low)
    }

    /// Takes out what is next, if it is due by then.
    mutating func next(until end: Instant) -> (at: Instant, event: Event)? {
        guard let last = planned.last, last.at <= end else { return nil }
        return planned.removeLast()
    }
}
