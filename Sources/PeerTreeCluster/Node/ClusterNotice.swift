package import NodeLinks
package import PeerTreeSignalling

/// What an operator should know of a node among the others.
package enum ClusterNotice: Sendable, CustomStringConvertible {
    case ownership(OwnershipNotice)
    /// Slots are this node's, in these terms: nobody else may ever say that of one of them.
    case owns([FencingToken])
    /// A slot is this node's no more.
    case letsGo(Slot)
    /// Whether the node's lease at etcd is certainly not over.
    case confirmed(Bool)
    case joined(NodeID, address: String)
    case left(NodeID)
    case met(NodeID, version: String?)
    case unreachable(NodeName)
    case reachable(NodeName)
    /// A connection to that node, or to a stranger, came to nothing.
    case refused(NodeName?, LinkRefusal, by: LinkEvent.Refuser)
    case dialFailed(NodeName, String)
    /// What this node said to the other, or the other to this one, is not whole: it is told anew.
    case sessionLost(NodeName, SessionEnd)
    /// A frame or a message of that node is not of this protocol; it was left out.
    case unreadable(NodeName, String)
    /// The address in etcd is none.
    case badAddress(NodeID, String)

    package var description: String {
        switch self {
        case .ownership(let notice): notice.description
        case .owns(let fences):
            "this node owns, as SLOT@INCARNATION.REVISION: \(fences.map(\.written).joined(separator: " "))"
        case .letsGo(let slot): "this node lets go of slot \(slot.number)"
        case .confirmed(true): "the lease at etcd stands: what this node owns is confirmed"
        case .confirmed(false):
            "etcd has not answered for as long as the lease lasts: this node goes on with what it owns, unconfirmed"
        case .joined(let node, let address): "node '\(node.name)' is at \(address)"
        case .left(let node): "node '\(node.name)' is about to stop, or its lease is over"
        case .met(let node, let version): "node '\(node.name)' speaks (version \(version ?? "unknown"))"
        case .unreachable(let name): "node '\(name)' cannot be reached"
        case .reachable(let name): "node '\(name)' can be reached"
        case .refused(let name, let refusal, .this):
            "a connection of \(name.map { "node '\($0)'" } ?? "a stranger") was refused: \(refusal)"
        case .refused(let name, let refusal, .other):
            "\(name.map { "node '\($0)'" } ?? "a stranger") refuses this node: \(refusal)"
        case .dialFailed(let name, let words): "node '\(name)' cannot be dialed: \(words)"
        case .sessionLost(let name, let end):
            "the session with node '\(name)' is over (\(end)): both tell each other all anew"
        case .unreadable(let name, let words): "what node '\(name)' has sent was left out: \(words)"
        case .badAddress(let node, let address):
            "node '\(node.name)' says that it is at '\(address)', which is no HOST:PORT: correct its --advertise"
        }
    }

    /// Who needs to know.
    package enum Severity: Sendable {
        /// Whoever looks for what went wrong.
        case detail
        /// An operator.
        case news
        /// An operator, since things are worse than they should be.
        case warning
    }

    package var severity: Severity {
        switch self {
        case .owns, .letsGo: .detail
        case .confirmed(true), .joined, .met, .reachable: .news
        default: .warning
        }
    }
}

extension FencingToken {
    fileprivate var written: String { "\(slot.number)@\(term.incarnation).\(term.revision)" }
}
