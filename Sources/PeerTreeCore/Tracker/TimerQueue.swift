/// The timers of a tracker.
///
/// All timers of one kind run equally long, so each kind is a list in order of expiry: setting, cancelling and firing
/// cost O(1), and a cancelled timer leaves nothing behind.
struct TimerQueue {
    static let none: Int32 = -1

    enum Kind: UInt8 {
        case attach
        case viewerResume
        case sourceResume
        case sourceSearch
        case restore
        case eviction
        case shun
        case probe
    }

    /// What a timer is about.
    struct Subject: Equatable {
        var tree: UInt32
        var peer: Int32
        var stripe: UInt8
        var kind: Kind
    }

    private struct Entry {
        var deadline: Instant
        var previous: Int32
        var next: Int32
        var subject: Subject
    }

    private struct List {
        var first = TimerQueue.none
        var last = TimerQueue.none
    }

    private var entries: [Entry] = []
    private var firstFree = TimerQueue.none
    private var attach = List()
    private var viewerResume = List()
    private var sourceResume = List()
    private var sourceSearch = List()
    private var restore = List()
    private var eviction = List()
    private var shun = List()
    private var probe = List()

    /// The number of timers that run.
    private(set) var count = 0

    /// When the next timer fires.
    var deadline: Instant? {
        guard let first = firstToFire else { return nil }
        return entries[Int(first)].deadline
    }

    /// Starts a timer. `deadline` must not be before that of an earlier timer of the same kind.
    mutating func start(_ subject: Subject, deadline: Instant) -> Int32 {
        let last = withList(subject.kind) { $0.last }
        let entry = Entry(deadline: deadline, previous: last, next: Self.none, subject: subject)
        let index: Int32
        if firstFree == Self.none {
            index = Int32(truncatingIfNeeded: entries.count)
            entries.appendGrowingByQuarters(entry)
        } else {
            index = firstFree
            firstFree = entries[Int(index)].next
            entries[Int(index)] = entry
        }
        if last != Self.none { entries[Int(last)].next = index }
        withList(subject.kind) { list in
            if list.first == Self.none { list.first = index }
            list.last = index
        }
        count += 1
        return index
    }

    /// Stops a timer and forgets it; does nothing for ``none``.
    mutating func cancel(_ timer: inout Int32) {
        guard timer != Self.none else { return }
        let index = timer
        timer = Self.none
        let entry = entries[Int(index)]
        if entry.previous != Self.none { entries[Int(entry.previous)].next = entry.next }
        if entry.next != Self.none { entries[Int(entry.next)].previous = entry.previous }
        withList(entry.subject.kind) { list in
            if list.first == index { list.first = entry.next }
            if list.last == index { list.last = entry.previous }
        }
        entries[Int(index)].next = firstFree
        firstFree = index
        count -= 1
    }

    /// The subject of a timer that is due at `now`. The caller cancels it.
    func due(at now: Instant) -> Subject? {
        guard let first = firstToFire, entries[Int(first)].deadline <= now else { return nil }
        return entries[Int(first)].subject
    }

    private var firstToFire: Int32? {
        let resume = earlier(viewerResume.first, earlier(sourceResume.first, sourceSearch.first))
        let blame = earlier(earlier(eviction.first, shun.first), probe.first)
        let first = earlier(earlier(earlier(attach.first, restore.first), resume), blame)
        return first == Self.none ? nil : first
    }

    private func earlier(_ left: Int32, _ right: Int32) -> Int32 {
        if left == Self.none { return right }
        if right == Self.none { return left }
        return entries[Int(right)].deadline < entries[Int(left)].deadline ? right : left
    }

    @discardableResult
    private mutating func withList<Result>(_ kind: Kind, _ body: (inout List) -> Result) -> Result {
        switch kind {
        case .attach: body(&attach)
        case .viewerResume: body(&viewerResume)
        case .sourceResume: body(&sourceResume)
        case .sourceSearch: body(&sourceSearch)
        case .restore: body(&restore)
        case .eviction: body(&eviction)
        case .shun: body(&shun)
        case .probe: body(&probe)
        }
    }
}
