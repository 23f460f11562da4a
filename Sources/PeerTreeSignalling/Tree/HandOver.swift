import PeerTreeCore

/// A slot that is about to go to another service. Nothing happens in it until that has it, or it is clear that it stays.
struct HandOver {
    /// In which this service had it.
    let term: SlotTerm
    /// What the other service needs.
    private(set) var snapshot: SlotSnapshot
    /// Gateways that may be on the way to say something which has to be in the snapshot.
    private(set) var awaited: Set<GatewayID>
    /// When it stays, for these have not answered.
    let until: Instant
    /// Whether the snapshot was given out.
    var isGivenOut = false
    /// Nodes that have gone meanwhile.
    var lost: Set<NodeSession> = []

    /// How long gateways have to answer: what they say next goes to whoever has the slot then, and joins wait for it.
    static let patience = TimeSpan.milliseconds(250)
    /// What is kept for the time after it, at most: as many as a frame between nodes has.
    private static let mostLetters = 65_536

    init(_ snapshot: SlotSnapshot, term: SlotTerm, at now: Instant) {
        self.term = term
        self.snapshot = snapshot
        // Others have nobody in the slot who could say or hear anything, and may be gone.
        let seats = Set(snapshot.trees.flatMap { $0.members.compactMap(\.gateway) })
        awaited = Set(seats.compactMap { snapshot.gateways[$0] })
        until = now + Self.patience
    }

    /// A gateway will say nothing more until the slot has an owner again.
    mutating func answered(_ gateway: GatewayID) { awaited.remove(gateway) }

    /// Keeps what a gateway says.
    mutating func keep(_ message: ToTree, from gateway: GatewayID) {
        guard snapshot.letters.count < Self.mostLetters else { return }
        snapshot.letters.append(SlotSnapshot.Letter(message, gateway: snapshot.place(of: gateway)))
    }
}

extension SlotSnapshot {
    /// The place of a gateway in the list, to which it is added if it is not there.
    mutating func place(of gateway: GatewayID) -> Int {
        if let known = gateways.firstIndex(of: gateway) { return known }
        gateways.append(gateway)
        return gateways.count - 1
    }
}
