import JSON
import PeerTreeCore

/// One socket.
struct GatewayClient {
    /// Where it is, if it is in a tree.
    var membership: Membership?
    var rate: EventRate
    /// Stands for the network address it came from; nil if that is unknown.
    var address: UInt64?
    /// What its token allows.
    var access: Access
    /// How many trees it has created.
    var treesCreated = 0

    /// Its place, as the service of its tree knows it.
    func member(_ socket: String) -> MemberSocket? {
        membership.map { MemberSocket(tree: $0.tree, number: $0.number, socket: socket) }
    }
}

/// A client that has asked for a place and was not answered yet. What it says meanwhile is taken up behind the answer, so
/// that a client sees everything happen in the order in which it asked.
struct PendingEntry {
    /// What is waited for.
    enum Phase {
        /// That it gives up the tree it has.
        case releasing
        case entering
        /// That the first of its tree's peers comes back. It may say something else meanwhile.
        case waiting
    }

    /// An event that came meanwhile.
    struct Held {
        let name: String
        let arguments: [JSONValue]
    }

    var entry: Entry
    var phase: Phase
    var held: [Held] = []
    /// Whether the client has gone meanwhile.
    var isAbandoned = false

    /// Whether a tree was counted for it that may not come to be.
    var hasReserved: Bool { entry.makesTree && phase != .releasing }
}
