package import NIOCore

/// Deadlines of very many subjects, each in a list of those of the same tick: setting and cancelling one costs O(1).
///
/// Call ``advance(to:)`` when ``deadline`` has come, then ``popDue()`` until it is nil. A deadline is noticed at most a
/// tick late.
package struct DeadlineWheel<Subject> {
    /// Names a deadline that is set. Void once it was cancelled or returned by ``popDue()``.
    package typealias Token = Int32

    private struct Entry {
        var subject: Subject?
        var tick: Int64
        var list: Int32
        var previous: Int32
        var next: Int32
    }

    private static var none: Int32 { -1 }
    /// Ticks that have a list of their own; those further away share it.
    private static var listCount: Int { 1024 }
    /// The list of deadlines that have come.
    private static var dueList: Int { listCount }

    private let tickLength: Int64
    private var lists = [Int32](repeating: none, count: listCount + 1)
    private var entries: [Entry] = []
    private var firstFree = none
    /// The last tick that was worked off.
    private var now: Int64

    /// How many deadlines are set.
    package private(set) var count = 0

    /// - Parameter tick: The length of a tick; at least 1 ns.
    package init(tick: TimeAmount, at now: NIODeadline) {
        tickLength = max(1, tick.nanoseconds)
        self.now = Self.nanoseconds(now) / tickLength
    }

    /// When to call ``advance(to:)``, or nil if nothing is set. It may come to nothing: deadlines that are more than a
    /// round of lists away are looked at once a round.
    package var deadline: NIODeadline? {
        guard count > 0 else { return nil }
        if lists[Self.dueList] != Self.none { return time(of: now) }
        let next = (now + 1...now + Int64(Self.listCount)).first { lists[index(of: $0)] != Self.none }
        return next.map(time)
    }

    /// When a deadline will be noticed.
    package func time(of token: Token) -> NIODeadline { time(of: entries[Int(token)].tick) }

    /// Notes a deadline. One that has passed comes with the next tick.
    package mutating func set(_ deadline: NIODeadline, _ subject: Subject) -> Token {
        let nanoseconds = Self.nanoseconds(deadline)
        let roundedUp = nanoseconds / tickLength + (nanoseconds % tickLength == 0 ? 0 : 1)
        let tick = max(roundedUp, now + 1)
        let token: Token
        let entry = Entry(subject: subject, tick: tick, list: 0, previous: Self.none, next: Self.none)
        if firstFree == Self.none {
            token = Token(truncatingIfNeeded: entries.count)
            entries.append(entry)
        } else {
            token = firstFree
            firstFree = entries[Int(token)].next
            entries[Int(token)] = entry
        }
        link(token, list: index(of: tick))
        count += 1
        return token
    }

    /// Forgets a deadline.
    package mutating func cancel(_ token: Token) {
        unlink(token)
        entries[Int(token)].subject = nil
        entries[Int(token)].next = firstFree
        firstFree = token
        count -= 1
    }

    /// Puts aside what has come due by `now`.
    package mutating func advance(to now: NIODeadline) {
        let reached = max(self.now, Self.nanoseconds(now) / tickLength)
        let first = max(self.now + 1, reached - Int64(Self.listCount) + 1)
        self.now = reached
        guard first <= reached else { return }
        for tick in first...reached {
            var token = lists[index(of: tick)]
            while token != Self.none {
                let next = entries[Int(token)].next
                if entries[Int(token)].tick <= reached {
                    unlink(token)
                    link(token, list: Self.dueList)
                }
                token = next
            }
        }
    }

    /// Takes out one of the subjects that are due; deadlines may be set and cancelled between two calls.
    package mutating func popDue() -> Subject? {
        let token = lists[Self.dueList]
        guard token != Self.none else { return nil }
        let subject = entries[Int(token)].subject
        cancel(token)
        return subject
    }

    private static func nanoseconds(_ deadline: NIODeadline) -> Int64 { Int64(clamping: deadline.uptimeNanoseconds) }

    private func time(of tick: Int64) -> NIODeadline {
        let (nanoseconds, overflow) = tick.multipliedReportingOverflow(by: tickLength)
        return overflow ? .distantFuture : .uptimeNanoseconds(UInt64(max(0, nanoseconds)))
    }

    private func index(of tick: Int64) -> Int { Int(tick % Int64(Self.listCount)) }

    // MARK: - Lists

    private mutating func link(_ token: Token, list: Int) {
        let head = lists[list]
        entries[Int(token)].list = Int32(truncatingIfNeeded: list)
        entries[Int(token)].previous = Self.none
        entries[Int(token)].next = head
        if head != Self.none { entries[Int(head)].previous = token }
        lists[list] = token
    }

    private mutating func unlink(_ token: Token) {
        let list = Int(entries[Int(token)].list)
        let previous = entries[Int(token)].previous
        let next = entries[Int(token)].next
        if previous == Self.none { lists[list] = next } else { entries[Int(previous)].next = next }
        if next != Self.none { entries[Int(next)].previous = previous }
    }
}
