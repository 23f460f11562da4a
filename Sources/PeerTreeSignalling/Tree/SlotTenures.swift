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
    /// Of slots that are about to go to another service.
    private var leaving: [Slot: HandOver] = [:]

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
        leaving[slot] = nil
    }

    /// Clients can come from now on.
    mutating func beginAnew(at now: Instant) {
        for number in tenures.indices { tenures[number]?.since = now }
        newest = now
    }
}

// MARK: Hand-overs

extension SlotTenures {
    /// Whether any slot is about to go to another service.
    var isAnyLeaving: Bool { !leaving.isEmpty }

    func handOver(of slot: Slot) -> HandOver? { leaving[slot] }

    /// In the order of their slots.
    var handOvers: [(Slot, HandOver)] {
        leaving.sorted { $0.key.number < $1.key.number }.map { ($0.key, $0.value) }
    }

    /// Those for which gateways should have answered by now.
    func lateHandOvers(at now: Instant) -> [(Slot, HandOver)] {
        leaving.isEmpty ? [] : handOvers.filter { !$0.1.isGivenOut && $0.1.until <= now }
    }

    /// When the next one is late; nil if none is waited for.
    var deadline: Instant? {
        leaving.isEmpty ? nil : leaving.values.lazy.filter { !$0.isGivenOut }.map(\.until).min()
    }

    /// The slot is about to go: nothing is said of it until it is clear to whom.
    mutating func suspend(_ slot: Slot, _ handOver: HandOver) {
        tenures[Int(slot.number)] = nil
        leaving[slot] = handOver
    }

    mutating func update(_ slot: Slot, _ change: (inout HandOver) -> Void) {
        guard var handOver = leaving.removeValue(forKey: slot) else { return }
        change(&handOver)
        leaving[slot] = handOver
    }

    /// The slot stays, in this term.
    ///
    /// - Returns: what was known of it; nil if it was not about to go.
    mutating func resume(_ slot: Slot, term: SlotTerm, at now: Instant) -> HandOver? {
        guard let handOver = leaving.removeValue(forKey: slot) else { return nil }
        tenures[Int(slot.number)] = Tenure(term: max(term, handOver.term), since: now)
        return handOver
    }
}
