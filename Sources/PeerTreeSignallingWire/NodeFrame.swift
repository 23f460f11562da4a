package import PeerTreeSignalling

/// What goes between two nodes of a cluster, in one frame of their link.
package enum NodeFrame: Equatable, Sendable {
    /// Who the sender is: the first frame of a session.
    ///
    /// - `run`: The number that its key in etcd has for this life of it.
    /// - `version`: Of its program, for people.
    case greeting(run: UInt64, version: String?)
    /// Slots that the sender has now: all of them after the greeting, later those that are new to it or have a new term.
    ///
    /// - `inherited`: Those of them whose owner knows all that the one before it knew, with the term of that one.
    case owned([FencingToken], inherited: [FencingToken])
    /// What gateway number `from` of the sender says to the receiver's services of trees.
    case toTrees(from: UInt32, [LetterToTree])
    /// What the sender's services of trees say to gateway number `to` of the receiver.
    case toGateway(to: UInt32, [LetterToGateway])
    /// The receiver has spoken in the name of an owner that is none any more: this is the term by now.
    case heard(FencingToken)
    /// What the sender knows of a slot follows, which it offers next. Pieces name gateways by their places in the list.
    case snapshot(FencingToken, gateways: [GatewayName])
    /// A part of it (``PeerTreeSignalling/SlotSnapshot/add(written:options:)``).
    case piece(FencingToken, [UInt8])
    /// The receiver may take over the slot.
    case offered(FencingToken)
    /// The sender does not take the slot over that it was offered.
    case declined(FencingToken)
    /// What the sender has.
    case report(NodeReport)

    /// Letters in one frame at most.
    package static let maximumLetters = 65_536
    /// Gateways that a snapshot names at most.
    package static let maximumGateways = 4_096
}

/// A gateway, whoever speaks of it.
package struct GatewayName: Equatable, Sendable {
    /// The node's name, and the number of its life; nil for a node that the sender cannot reach.
    package var node: (name: String, run: UInt64)?
    /// Counts the gateways of the node.
    package var number: UInt32

    package init(node: (name: String, run: UInt64)?, number: UInt32) {
        self.node = node
        self.number = number
    }

    package static func == (left: GatewayName, right: GatewayName) -> Bool {
        left.node?.name == right.node?.name && left.node?.run == right.node?.run && left.number == right.number
    }
}

/// What a node has, for the limits that all share, and for whoever asks one of them about all.
package struct NodeReport: Equatable, Sendable {
    /// Connected sockets.
    package var clients: UInt64
    /// Trees whose services are there.
    package var trees: UInt64
    /// Peers of those trees, sources included.
    package var peers: UInt64
    /// Whether its lease at etcd is certainly not over.
    package var isConfirmed: Bool
    /// Whether it is about to stop.
    package var isLeaving: Bool
    /// The largest of its trees, those first; at most ``DashboardTree/mostListed``.
    package var largest: [DashboardTree]

    package init(
        clients: UInt64,
        trees: UInt64,
        peers: UInt64,
        isConfirmed: Bool,
        isLeaving: Bool,
        largest: [DashboardTree] = []
    ) {
        self.clients = clients
        self.trees = trees
        self.peers = peers
        self.isConfirmed = isConfirmed
        self.isLeaving = isLeaving
        self.largest = largest
    }
}

/// A ``PeerTreeSignalling/ToTree`` in its written form, and which of the services it is for.
package struct LetterToTree: Equatable, Sendable {
    package var slot: Slot
    package var message: [UInt8]

    package init(slot: Slot, message: [UInt8]) {
        self.slot = slot
        self.message = message
    }
}

/// A ``PeerTreeSignalling/ToGateway`` in its written form, and in whose name it is said.
package struct LetterToGateway: Equatable, Sendable {
    package var fence: FencingToken
    package var message: [UInt8]

    package init(fence: FencingToken, message: [UInt8]) {
        self.fence = fence
        self.message = message
    }
}
