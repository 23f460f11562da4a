package import PeerTreeCore

/// Which slots a service has, since when, and in which term of each.
///
/// A slot has one owner at a time, and each has a greater **term** than the one before it. What an owner says carries that
/// term (``FencingToken``): whoever has heard of a greater one passes it over. Resume tokens carry it, too. On one node all
/// slots have the same owner and term, for good.
package struct SlotTenures: Sendable {
    package struct Tenure: Sendable {
        package let term: SlotTerm
        /// When the service came to have the slot, or could first be reached.
        package fileprivate(set) var since: Instant
    }

    /// By the slot's number; nil for a slot that another service has.
    private var tenures: [Tenure?]
    /// When the newest of them began.
    private(set) var newest = Instant.zero

    /// No slot.
    package init() {
        tenures = Array(repeating: nil, count: Slot.count)
    }

    /// All slots, in one term.
    ///
    /// - Parameters:
    ///   - term: Greater than that of whoever had them before, such as the time at which a server was started.
    ///   - since: When the service came to have them.
    package init(all term: SlotTerm, since: Instant = .zero) {
        tenures = Array(repeating: Tenure(term: term, since: since), count: Slot.count)
        newest = since
    }

    subscript(slot: Slot) -> Tenure? { tenures[Int(slot.number)] }

    /// - Parameter tree: A tree's id.
    subscript(ofTree tree: String) -> Tenure? { self[Slot(ofTree: tree)] }

    /// The service has a slot from now on. A term that is not greater than the slot's is out of date.
    mutating func begin(_ slot: Slot, term: SlotTerm, at now: Instant) {
        guard self[slot].map({ $0.term < term }) ?? true else { return }
        tenures[Int(slot.number)] = Tenure(term: term, since: now)
        newest = max(newest, now)
    }

    /// Another service has it.
    mutating func end(_ slot: Slot) {
        tenures[Int(slot.number)] = nil
    }

    /// Clients can come from now on.
    mutating func beginAnew(at now: Instant) {
        for number in tenures.indices { tenures[number]?.since = now }
        newest = now
    }
}
