package import PeerTreeSignalling
import PeerTreeSignallingWire

/// A slot that was frozen, as a loop gives it out.
package struct FrozenSlot: Sendable {
    package var gateways: [GatewayID?]
    /// What is known of it, in parts whose order matters (`SlotSnapshot.written()`).
    package var parts: [[UInt8]]

    package init(_ snapshot: SlotSnapshot) {
        gateways = snapshot.gateways
        parts = snapshot.written()
    }

    var byteCount: Int { parts.reduce(0) { $0 + $1.count } }
}

/// What this node has offered to others.
struct OutgoingSnapshots {
    struct Offer {
        let node: NodeID
        let term: SlotTerm
        /// Of the snapshot that was sent, until it is clear what came of it.
        var byteCount = 0
        /// Whether the other node may take the slot by now.
        var isMade = false
    }

    private(set) var offers: [Slot: Offer] = [:]

    /// Bytes of snapshots that may be on their way to one node: half of what its link holds. A slot with more is offered
    /// without.
    static let mostBytes = 16 << 20

    subscript(slot: Slot) -> Offer? {
        get { offers[slot] }
        set { offers[slot] = newValue }
    }

    /// Notes that a snapshot is sent.
    ///
    /// - Returns: whether there is room for it.
    mutating func send(_ byteCount: Int, of slot: Slot) -> Bool {
        guard let node = offers[slot]?.node else { return false }
        let sent = offers.values.reduce(0) { $0 + ($1.node == node ? $1.byteCount : 0) }
        guard sent + byteCount <= Self.mostBytes else { return false }
        offers[slot]?.byteCount = byteCount
        return true
    }

    /// Those of which that node knows nothing yet, in their order.
    func slots(toBeOfferedTo node: NodeID) -> [Slot] {
        offers.filter { $0.value.node == node && !$0.value.isMade }.keys.sorted { $0.number < $1.number }
    }
}

/// What other nodes have sent of slots that this one may come to have.
struct IncomingSnapshots {
    struct Snapshot {
        let term: SlotTerm
        let session: NodeSession
        let gateways: [GatewayName]
        var slot = SlotSnapshot()
        var byteCount = 0
    }

    private var snapshots: [Slot: Snapshot] = [:]
    private var byteCount = 0

    /// Bytes of all of them.
    static let mostBytes = 64 << 20

    mutating func begin(_ fence: FencingToken, _ gateways: [GatewayName], from session: NodeSession) {
        remove(fence.slot)
        snapshots[fence.slot] = Snapshot(term: fence.term, session: session, gateways: gateways)
    }

    /// Adds a part. A snapshot of which a part is missing is none.
    mutating func add(
        _ part: [UInt8],
        to fence: FencingToken,
        from session: NodeSession,
        _ options: SignallingOptions
    ) throws(WrittenFormError) {
        guard var snapshot = remove(fence.slot), snapshot.term == fence.term, snapshot.session == session,
            byteCount + snapshot.byteCount + part.count <= Self.mostBytes
        else { return }
        try snapshot.slot.add(written: part, options: options)
        snapshot.byteCount += part.count
        byteCount += snapshot.byteCount
        snapshots[fence.slot] = snapshot
    }

    @discardableResult
    mutating func remove(_ slot: Slot) -> Snapshot? {
        guard let snapshot = snapshots.removeValue(forKey: slot) else { return nil }
        byteCount -= snapshot.byteCount
        return snapshot
    }

    mutating func removeAll(of session: NodeSession) {
        for slot in snapshots.filter({ $0.value.session == session }).keys { remove(slot) }
    }
}
