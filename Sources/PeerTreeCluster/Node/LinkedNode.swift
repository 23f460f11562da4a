import NodeLinks
import PeerTreeSignalling
import PeerTreeSignallingWire

/// Another node, as far as this one is linked with it.
struct LinkedNode: Sendable {
    /// The life of it that is registered in etcd; nil if none is.
    var registered: NodeID?
    var isReachable = false
    /// The link has a session, which began with this node's greeting: whatever it says now comes.
    var hasSession = false
    /// The life that has greeted, and how long what it says has been whole and in order since; nil between two sessions of
    /// the link.
    var greeted: (id: NodeID, session: NodeSession)?
    /// An operator knows that it cannot be dialed.
    var hasToldOfDialing = false
    /// Of its program, as it has said.
    var version: String?
    /// Where it is, as its key in etcd says; nil before there was one.
    var address: String?
    /// What it has said last of what it has.
    var report: NodeReport?

    /// It can be reached, and has greeted.
    var speaks: Bool { isReachable && greeted != nil }
}
