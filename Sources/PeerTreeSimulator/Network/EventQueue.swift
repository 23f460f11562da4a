import PeerTreeCore

/// What is to happen, by time; what is due at the same instant happens in the order in which it was scheduled.
///
/// A binary heap: both operations cost O(log n).
struct EventQueue<Event> {
    private struct Entry {
        let at: Instant
        let order: UInt64
        let event: Event

        func precedes(_ other: Entry) -> Bool {
            at == other.at ? order < other.order : at < other.at
        }
    }

    private var heap: [Entry] = []
    private var scheduled: UInt64 = 0

    /// When the next event is due; nil if there is none.
    var next: Instant? { heap.first?.at }

    mutating func schedule(_ event: Event, at instant: Instant) {
        scheduled += 1
        let entry = Entry(at: instant, order: scheduled, event: event)
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.precedes(heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    mutating func pop() -> (at: Instant, event: Event)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return (first.at, first.event) }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
            guard heap[child].precedes(last) else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
        return (first.at, first.event)
    }
}
