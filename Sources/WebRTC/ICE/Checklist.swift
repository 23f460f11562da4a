/// The pairs of an agent, which of them is checked next, and which is in use (RFC 8445 sections 6.1.2 to 6.1.4).
struct Checklist {
    var pairs: [CandidatePair] = []
    /// Pairs to check before all others, by index.
    private(set) var triggered: [Int] = []
    private(set) var selectedIndex: Int?
    /// The selected pair was given up, and there is no other yet.
    private(set) var isSelectedDead = false

    /// The pair that data uses: the nominated one, or until then the best valid one (RFC 8445 section 12.1).
    var selected: CandidatePair? { self.selectedIndex.map { self.pairs[$0] } }
    /// A pair was nominated.
    var isDecided: Bool { self.pairs.contains { $0.isNominated } }
    var hasWaiting: Bool { self.pairs.contains { $0.state == .waiting } }
    /// Every pair was tried in vain.
    var isExhausted: Bool { !self.pairs.isEmpty && self.pairs.allSatisfy { $0.state == .failed } }

    func index(base: Int, remote: TransportAddress) -> Int? {
        self.pairs.firstIndex { $0.base == base && $0.remote.address == remote }
    }

    /// Adds a pair; where there are too many, in place of the least promising one, if that is less so than the new one.
    mutating func add(_ pair: CandidatePair, limit: Int) -> Int? {
        if self.pairs.count < limit {
            self.pairs.append(pair)
            return self.pairs.count - 1
        }
        let victim = self.pairs.indices
            .filter { index in
                let state = self.pairs[index].state
                return (state == .waiting || state == .failed) && index != self.selectedIndex
                    && !self.triggered.contains(index)
            }
            .min { self.pairs[$0].priority < self.pairs[$1].priority }
        // Answers to checks of the old pair do not fit the new one's addresses, and are dropped.
        guard let victim, self.pairs[victim].priority < pair.priority else { return nil }
        self.pairs[victim] = pair
        return victim
    }

    // MARK: - What is checked

    /// Checks a pair before all others (RFC 8445 section 7.3.1.4).
    mutating func trigger(_ index: Int) {
        if !self.triggered.contains(index) { self.triggered.append(index) }
    }

    /// The pair to check now, and whether there is another one for later.
    mutating func takeNext() -> (index: Int, isLast: Bool)? {
        let index: Int
        if !self.triggered.isEmpty {
            index = self.triggered.removeFirst()
        } else {
            let waiting = self.pairs.indices.filter { self.pairs[$0].state == .waiting }
            guard let best = waiting.max(by: { self.pairs[$0].priority < self.pairs[$1].priority }) else { return nil }
            index = best
        }
        if self.pairs[index].state == .waiting { self.pairs[index].state = .inProgress }
        return (index, self.triggered.isEmpty && !self.hasWaiting)
    }

    /// No further ordinary checks: the chosen pair is agreed on (RFC 8445 section 8.1.2).
    mutating func end(for chosen: Int) {
        for index in self.pairs.indices where index != chosen {
            self.pairs[index].isNominated = false
            self.pairs[index].wantsNomination = false
            if self.pairs[index].state == .waiting || self.pairs[index].state == .inProgress {
                self.pairs[index].state = .failed
            }
        }
        self.triggered = []
    }

    /// Pairs that wait for a check need none after all.
    mutating func dropWaiting() {
        for index in self.pairs.indices where index != self.selectedIndex && self.pairs[index].state == .waiting {
            self.pairs[index].state = .failed
        }
    }

    /// A base is gone, and all that was to be checked from it. The selected pair is the agent's to give up.
    mutating func fail(base: Int) {
        self.triggered.removeAll { self.pairs[$0].base == base }
        for index in self.pairs.indices where self.pairs[index].base == base && index != self.selectedIndex {
            self.pairs[index].fail()
        }
    }

    /// Puts pairs in these states, other than the selected one, back on the list, where their base is one of these.
    mutating func revive(_ states: [CandidatePair.State], bases: Set<Int>) {
        for index in self.pairs.indices where index != self.selectedIndex && states.contains(self.pairs[index].state) {
            guard bases.contains(self.pairs[index].base) else { continue }
            self.pairs[index].state = .waiting
            self.pairs[index].attempts = 0
            self.pairs[index].retransmitAt = nil
        }
    }

    // MARK: - What is used

    /// Selects the best usable pair in this order. Returns it if it is another one than before.
    mutating func select(by isWorse: (CandidatePair, CandidatePair) -> Bool) -> CandidatePair? {
        let usable = self.pairs.indices.filter {
            self.pairs[$0].state == .succeeded || ($0 == self.selectedIndex && !self.isSelectedDead)
        }
        guard let best = usable.max(by: { isWorse(self.pairs[$0], self.pairs[$1]) }) else { return nil }
        self.isSelectedDead = false
        guard best != self.selectedIndex else { return nil }
        self.selectedIndex = best
        return self.pairs[best]
    }

    /// The selected pair works no longer. Returns whether another one does.
    mutating func giveUpSelected() -> Bool {
        guard let index = self.selectedIndex else { return false }
        self.pairs[index].fail()
        self.pairs[index].isNominated = false
        self.pairs[index].wantsNomination = false
        self.isSelectedDead = true
        return self.pairs.contains { $0.state == .succeeded }
    }
}
