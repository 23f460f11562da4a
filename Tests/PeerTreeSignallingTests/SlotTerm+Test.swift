import PeerTreeSignalling

extension SlotTerm: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: Int64) {
        self.init(incarnation: 0, revision: value)
    }
}

extension SlotTerm {
    /// The one after it.
    var next: SlotTerm { SlotTerm(incarnation: incarnation, revision: revision + 1) }
}
