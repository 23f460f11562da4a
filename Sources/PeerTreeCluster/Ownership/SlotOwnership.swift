package import PeerTreeCore
package import PeerTreeSignalling
import StateMachine

/// Which slots this node owns, and in which terms: its half of an agreement that etcd keeps.
///
/// A slot's key in etcd names its owner, under the owner's lease; the revision at which the key was written last is the
/// slot's term. A key is written if it does not exist (a claim), or if it is as it was (a hand-over, by the successor). An
/// owner that cannot tell whether its lease is over goes on owning, *unconfirmed*, and lets go when it learns of a higher
/// term. An owner that lives and whose keys are gone writes them anew.
///
/// A state machine: hand inputs to ``handle(_:at:)``, drain ``nextOutput()``, and hand in ``Input/deadlineReached`` at
/// ``deadline``. Every ``Output/ask(_:_:)`` is answered by one ``Input/answered(_:_:)``. Time is a clock that goes on while
/// the machine sleeps (``BootTime``).
package struct SlotOwnership: Sendable {
    package enum Input: Sendable {
        case answered(Int, Result<EtcdAnswer, EtcdError>)
        case watched(Int, EtcdWatchMessage)
        case watchEnded(Int)
        /// Whether a link to that node stands. Of one that was never told of, none does.
        case reachable(NodeID, Bool)
        /// Other nodes have heard of these terms of slots.
        case heard([Slot: SlotTerm])
        /// The owner offers the slot, and its state is here: it can be taken over.
        case offered(Slot, SlotTerm)
        /// The node that the slot was offered to will not take it.
        case declined(Slot, SlotTerm)
        /// That node is about to stop, as it says itself: its key at etcd may say so later than its offers come.
        case leaves(NodeID)
        /// This node is about to stop: all that it owns is offered to others.
        case leaving
        case deadlineReached
    }

    package enum Output: Hashable, Sendable {
        case ask(Int, EtcdRequest)
        /// Watch, in place of what was watched, under this number.
        case watch(Int, EtcdWatch)
        /// The slot is this node's from now on; or has been, and has a new term.
        case owns(Slot, SlotTerm)
        case letsGo(Slot)
        /// Freeze the slot, send its state to that node, and tell it (``Input/offered(_:_:)``).
        case offer(Slot, SlotTerm, to: NodeID)
        /// The offer is void: the slot goes on here.
        case keeps(Slot)
        /// Tell the owner that its offer is not taken.
        case decline(Slot, SlotTerm, to: NodeID)
        /// There is this node, at this address: once for each life of it, and when the address is another one.
        case joined(NodeID, address: String)
        /// A node's lease is over, or it was started anew, or is about to stop.
        case left(NodeID)
        /// Whether the lease is certainly not over.
        case confirmed(Bool)
        case noticed(OwnershipNotice)
    }

    private(set) var record: NodeRecord
    let options: OwnershipOptions
    let keys: ClusterKeys
    var mirror: KeyMirror
    var lease: LeaseKeeper
    var slots: [Slot: SlotState] = [:]
    /// Slots about which something is to be done.
    var unsettled: Set<Slot>
    var nodes: [String: NodeID] = [:]
    /// How many slots each node owns, as etcd has it.
    var loads: [NodeID: Int] = [:]
    var links: [NodeID: Link] = [:]
    var incarnation = IncarnationState()
    var registration = Registration()
    /// When all keys were known for the first time.
    var firstListed: Instant?
    var calls: [Int: Call] = [:]
    var transactions = 0
    var nextBalance = Instant.zero
    private var lastCall = 0
    private var wasConfirmed = false
    /// Before that, no further failure of etcd's is told.
    var quietUntil = Instant.zero
    var outputs = OutputQueue<Output>()

    /// A node that owns nothing yet.
    package init(_ record: NodeRecord, options: OwnershipOptions = OwnershipOptions(), at now: Instant) {
        self.record = record
        self.options = options
        keys = ClusterKeys(prefix: options.prefix)
        mirror = KeyMirror(prefix: keys.prefix, at: now)
        lease = LeaseKeeper(seconds: options.leaseSeconds, at: now)
        unsettled = Set(options.slots)
        for slot in options.slots { slots[slot] = SlotState() }
    }

    var me: NodeID { record.id }

    package mutating func nextOutput() -> Output? { outputs.next() }

    /// When ``Input/deadlineReached`` is due.
    package func deadline(at now: Instant) -> Instant? {
        let isCalm = unsettled.isEmpty && !registration.isDue && incarnation.isCurrent && !isUneven
        let look = isCalm ? nil : now + Self.lookInterval
        return [mirror.deadline, lease.deadline(at: now), look].compactMap { $0 }.min()
    }

    /// How often it is looked whether what waits can be done.
    static let lookInterval = TimeSpan.milliseconds(100)

    package mutating func handle(_ input: Input, at now: Instant) {
        // Before all else: it may be long since the last input.
        tellConfirmed(at: now)
        switch input {
        case .answered(let number, let result):
            if let call = calls.removeValue(forKey: number) { answered(call, result, at: now) }
        case .watched(let number, let message): mirror.handle(.watched(number, message), at: now)
        case .watchEnded(let number): mirror.handle(.watchEnded(number), at: now)
        case .reachable(let node, let isReachable): tell(node, isReachable, at: now)
        case .heard(let terms):
            for (slot, term) in terms { heard(slot, term, at: now) }
        case .offered(let slot, let term): takeOver(slot, term, at: now)
        case .declined(let slot, let term): declined(slot, term)
        case .leaves(let node): leaves(node)
        case .leaving: leave(at: now)
        case .deadlineReached: mirror.handle(.deadlineReached, at: now)
        }
        followMirror(at: now)
        settle(at: now)
        followMirror(at: now)
        tellConfirmed(at: now)
    }

    mutating func ask(_ request: EtcdRequest, _ call: Call) {
        lastCall += 1
        calls[lastCall] = call
        outputs.append(.ask(lastCall, request))
    }

    private mutating func leave(at now: Instant) {
        guard !record.isLeaving else { return }
        record.isLeaving = true
        registration.isDone = false
        nextBalance = now
    }

    private mutating func leaves(_ node: NodeID) {
        guard nodes[node.name] == node, node != me else { return }
        nodes[node.name] = nil
        outputs.append(.left(node))
    }

    private mutating func tellConfirmed(at now: Instant) {
        let isConfirmed = lease.isCertain(at: now)
        guard isConfirmed != wasConfirmed else { return }
        wasConfirmed = isConfirmed
        outputs.append(.confirmed(isConfirmed))
    }
}

// MARK: Questions

extension SlotOwnership {
    /// The slots that are this node's, confirmed or not, with their terms.
    package var held: [Slot: SlotTerm] { slots.compactMapValues(\.held) }

    /// The lease at etcd, if there is one.
    var leaseNumber: Int64? { lease.lease }

    /// Whether the slot is this node's, and certainly no other's: its lease is not over, and it is not being handed over.
    package func isConfirmed(_ slot: Slot, at now: Instant) -> Bool {
        // While the key is written anew, nobody here knows its revision.
        guard let state = slots[slot], let held = state.held, state.offer == nil, !state.isWaiting,
            let record = state.record
        else { return false }
        return lease.isCertain(at: now) && record.owner == me && record.lease == lease.lease
            && record.revision == held.revision && incarnation.value == held.incarnation
    }
}
