/// The candidates of both sides, as far as an agent knows them.
struct CandidateTable {
    /// Sockets and TURN allocations, each with its best candidate.
    private(set) var bases: [(base: Int, best: ICECandidate)] = []
    private var local: [(candidate: ICECandidate, base: Int)] = []
    private(set) var remote: [ICECandidate] = []
    /// There will be no more of this side's.
    var isLocalComplete = false
    /// There will be no more of the peer's.
    var isRemoteComplete = false

    var isComplete: Bool { self.isLocalComplete && self.isRemoteComplete }

    func hasBase(_ base: Int) -> Bool { self.bases.contains { $0.base == base } }
    func best(of base: Int) -> ICECandidate? { self.bases.first { $0.base == base }?.best }

    /// Notes a candidate of this side. Returns whether its base is new.
    mutating func add(local candidate: ICECandidate, base: Int, limit: Int) -> Bool {
        if self.local.count < limit { self.local.append((candidate, base)) }
        guard let index = self.bases.firstIndex(where: { $0.base == base }) else {
            self.bases.append((base, candidate))
            return true
        }
        if candidate.priority > self.bases[index].best.priority { self.bases[index].best = candidate }
        return false
    }

    /// Notes a candidate of the peer. False when it is known, or one too many.
    mutating func add(remote candidate: ICECandidate, limit: Int) -> Bool {
        guard self.remote.count < limit, !self.remote.contains(where: { $0.address == candidate.address }) else {
            return false
        }
        self.remote.append(candidate)
        return true
    }

    mutating func remove(base: Int) {
        self.bases.removeAll { $0.base == base }
        self.local.removeAll { $0.base == base }
    }

    mutating func removeLocal() {
        self.bases = []
        self.local = []
    }

    /// The local candidate by which the peer sees this side; a peer-reflexive one where that address is news.
    func localCandidate(seenAs address: TransportAddress, base: Int) -> ICECandidate? {
        let known = self.local.first { $0.base == base && $0.candidate.address == address }
        if let known { return known.candidate }
        guard let best = self.best(of: base) else { return nil }
        let type = ICECandidate.CandidateType.peerReflexive
        return ICECandidate(
            foundation: "prflx",
            priority: type.preference << 24 | best.priority & 0x00FF_FFFF,
            address: address,
            type: type,
            relatedAddress: best.address
        )
    }

    /// The peer's candidate at an address; a peer-reflexive one where that is news (RFC 8445 section 7.3.1.3).
    func remoteCandidate(at address: TransportAddress, priority: UInt32?) -> ICECandidate {
        self.remote.first { $0.address == address }
            ?? ICECandidate(foundation: "prflx", priority: priority ?? 0, address: address, type: .peerReflexive)
    }
}
