package import JSON
package import PeerTreeCore

/// What the service of a tree says to a gateway.
package enum ToGateway: Equatable, Sendable {
    /// A client has this place from now on; what is said to it comes under this number.
    indirect case entered(socket: String, isNative: Bool, ResumeToken)
    /// What a member could prove has changed: how many children it may have, or where.
    indirect case renewed(MemberSocket, ResumeToken)
    /// All is said about a client's wish to enter.
    case answered(Wish, hasMadeTree: Bool)
    /// A client gets no place, or a source does not give its tree up.
    case refused(Wish, SignallingError)
    /// A client waits until the first of its tree's peers comes back.
    case waits(Wish)
    /// A source has given its tree up.
    case released(Wish)
    /// Emit an event with one argument to a member. Of those that original clients do not know, their gateway takes note
    /// alone.
    case emit(MemberSocket, SignallingName, JSONValue)
    /// Tell a member that something it said was not taken.
    indirect case refuse(MemberSocket, event: String, SignallingError)
    /// Ask a member's socket whether it is there.
    case probe(MemberSocket)
    /// A member's place is gone. Its socket may enter again.
    case left(MemberSocket)
    /// A member has another socket now. This one had not been noticed to be gone.
    case replaced(MemberSocket)
    /// A tree is over that was made at this gateway.
    case treeEnded(tree: String)
    /// The slot in whose owner's name this is said is frozen, and may go to another service: answer by ``ToTree/held(_:)``, and
    /// keep what is to be said of it until somebody has it.
    case hold
    /// It stays: go on.
    case carryOn
    /// Tell a dashboard.
    indirect case answer(watcher: Int, DashboardAnswer)
}
