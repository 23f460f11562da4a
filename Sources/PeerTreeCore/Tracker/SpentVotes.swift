/// Whose vote is spent, and until when.
///
/// A vote belongs to an address as much as to a member: who leaves with a spent vote leaves it to the next newcomer from
/// the same address, so that coming and going does not multiply votes.
struct SpentVotes {
    private struct Spent {
        var until: Instant
        /// Nil if the vote was inherited.
        var accused: PeerHandle?
    }

    /// By the member's place in the tree's table.
    private var byMember: [Int32: Spent] = [:]
    /// When the votes that leavers left are good again, by their address.
    private var left: [UInt64: [Instant]] = [:]
    private var sizeAtSweep = 0

    /// Members that have or had a spent vote, and addresses that keep some.
    var count: Int { byMember.count + left.count }

    /// The members with an entry.
    var members: some Collection<Int32> { byMember.keys }

    func isSpent(_ member: Int32, at now: Instant) -> Bool {
        byMember[member].map { $0.until > now } ?? false
    }

    mutating func spend(_ member: Int32, about accused: PeerHandle, until: Instant) {
        byMember[member] = Spent(until: until, accused: accused)
    }

    /// Gives a vote back that was spent about a peer which turned out to be gone.
    mutating func refund(_ member: Int32, about accused: PeerHandle) {
        if byMember[member]?.accused == accused { byMember[member] = nil }
    }

    /// A member is gone; its spent vote stays at its address.
    mutating func leave(_ member: Int32, origin: UInt64?, at now: Instant) {
        guard let spent = byMember.removeValue(forKey: member), spent.until > now, let origin else { return }
        left[origin, default: []].append(spent.until)
        sweep(at: now)
    }

    /// A newcomer takes over the vote at its address that is spent for longest.
    mutating func arrive(_ member: Int32, origin: UInt64?, at now: Instant) {
        guard !left.isEmpty, let origin, var votes = left[origin] else { return }
        votes.removeAll { $0 <= now }
        if let latest = votes.indices.max(by: { votes[$0] < votes[$1] }) {
            byMember[member] = Spent(until: votes.remove(at: latest), accused: nil)
        }
        left[origin] = votes.isEmpty ? nil : votes
    }

    /// Forgets what is over. Done when the table has doubled, so that it costs next to nothing a departure.
    private mutating func sweep(at now: Instant) {
        guard left.count > 2 * sizeAtSweep + 64 else { return }
        left = left.compactMapValues { votes in
            let kept = votes.filter { $0 > now }
            return kept.isEmpty ? nil : kept
        }
        sizeAtSweep = left.count
    }
}
