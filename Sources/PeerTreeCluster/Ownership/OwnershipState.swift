import PeerTreeCore
import PeerTreeSignalling

/// What this node knows of a slot.
struct SlotState: Sendable {
    /// The key in etcd.
    var record: SlotRecord?
    /// Since when there is none, as far as known.
    var goneSince: Instant?
    /// Who owned it last, as far as known.
    var lastOwner: NodeID?
    /// The term in which it is this node's.
    var held: SlotTerm?
    /// The highest term that others have told of.
    var heard: SlotTerm?
    var offer: Offer?
    /// The latest term in which another node did not take it.
    var declined: SlotTerm?
    /// The latest offer of another node's that was answered.
    var answeredOffer: SlotTerm?
    /// A transaction, or a question after one, is on its way.
    var isWaiting = false
    /// It is not known what a transaction did.
    var isInDoubt = false
    /// Before that, nothing more is tried.
    var notBefore = Instant.zero
}

/// The key of a slot as it is in etcd.
struct SlotRecord: Hashable, Sendable {
    /// nil if the value names none.
    var owner: NodeID?
    var revision: Int64
    var lease: Int64
}

/// A slot that another node may take.
struct Offer: Hashable, Sendable {
    let node: NodeID
    let term: SlotTerm
    let since: Instant
    /// It has taken too long: the key is written anew, so that nobody can take the slot for it any more.
    var isWithdrawn = false
}

/// Whether a node can be reached, and since when.
struct Link: Hashable, Sendable {
    var isUp: Bool
    var since: Instant
}

/// Which of etcd's histories this is.
struct IncarnationState: Sendable {
    /// The key in etcd.
    var record: (value: Int64, revision: Int64)?
    /// The highest that was ever heard of.
    var highest: Int64 = 0
    /// etcd is not what it was when it had ``highest``.
    var mustBeRaised = false
    /// The first list that was begun after the key was seen as it is. What is known of slots from before may be of another
    /// history.
    var neededList = 0
    var isBackedByList = false
    var isWaiting = false
    var notBefore = Instant.zero

    var isToBeRaised: Bool { mustBeRaised || record.map { $0.value < highest } ?? true }

    /// The incarnation that terms have now; nil if that is not settled.
    var value: Int64? { isToBeRaised || !isBackedByList ? nil : record?.value }

    var isCurrent: Bool { value != nil }
}

/// This node among the nodes.
struct Registration: Sendable {
    /// etcd has the node's key, with this run, under its lease.
    var isDone = false
    var isWaiting = false
    var hasToldOfNamesake = false
    var notBefore = Instant.zero

    var isDue: Bool { !isDone }
}

/// What an answer is for.
enum Call: Sendable {
    case list
    case lease(LeaseKeeper.Call)
    case register
    case raise(to: Int64)
    /// The transaction that makes the slot this node's, by the lease that it names.
    case take(Slot, lease: Int64)
    /// What a transaction has done.
    case look(Slot)
}

/// What an operator should know.
package enum OwnershipNotice: Hashable, Sendable, CustomStringConvertible {
    /// etcd was wiped or restored, or is another one.
    case storeWentBack
    case incarnationRaised(Int64)
    /// Another node has this one's name.
    case nameTaken(by: NodeID)
    case leaseLost
    /// etcd did not do, or may not have done, what it was asked for; told once a minute at most.
    case storeFails(String)
    case tooManyKeys

    package var description: String {
        switch self {
        case .storeWentBack: "etcd's revision has gone back: it was wiped, restored or replaced; ownership begins anew"
        case .incarnationRaised(let value): "the cluster's incarnation is \(value) from now on"
        case .nameTaken(let node):
            "the name '\(node.name)' is in use by another node (run \(String(node.run, radix: 16))): it owns no slots until that "
                + "one's lease is over; if that one is to stay, give this node another --node-name"
        case .leaseLost: "the lease at etcd is lost: slots are owned unconfirmed until a new one is granted"
        case .storeFails(let words): "etcd fails: \(words)"
        case .tooManyKeys:
            "there are more than \(KeyMirror.maximumKeys) keys below the cluster's prefix in etcd: give the cluster a prefix of its own"
        }
    }
}
