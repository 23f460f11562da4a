import JSON
import PeerTreeCore
import StateMachine

/// One socket.
struct GatewayClient {
    /// Where it is, if it is in a tree.
    var standing: Boxed<Standing>?
    var rate: EventRate
    /// Stands for the network address it came from; nil if that is unknown.
    var address: UInt64?
    /// What its token allows.
    var access: Access
    /// How many trees it has created.
    var treesCreated = 0

    /// What it could prove, if it is in a tree.
    var token: ResumeToken? { standing?.value.token }

    /// Notes what it is told at the place with this number.
    ///
    /// - Returns: whether it is to hear of it. Of our own events original clients would understand nothing; and what is
    ///   said to a client that has another place by now is out of date.
    mutating func hears(_ event: SignallingName, _ payload: JSONValue, as number: UInt64) -> Bool {
        guard standing?.value.token.number == number else { return false }
        standing?.value.told(event, payload)
        return event.isOriginal || standing?.value.isNative ?? false
    }

    /// Its place, as the service of its tree knows it.
    func member(_ socket: String) -> MemberSocket? {
        guard let standing else { return nil }
        return MemberSocket(tree: standing.value.token.treeID, number: standing.value.token.number, socket: socket)
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
