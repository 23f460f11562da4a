/// Another node of a cluster, as this one knows it for as long as what it says comes whole and in order. Reached anew, the
/// same node has a greater one.
package struct NodeSession: Hashable, Comparable, Sendable {
    package var number: UInt32

    /// This node itself.
    package static let here = NodeSession(0)

    package init(_ number: UInt32) {
        self.number = number
    }

    package static func < (left: NodeSession, right: NodeSession) -> Bool { left.number < right.number }
}

/// Names a gateway among those that talk to a tree service.
package struct GatewayID: Hashable, Comparable, Sendable {
    /// Counts the gateways of one node.
    package var number: UInt32
    package var node: NodeSession

    package init(_ number: UInt32, at node: NodeSession = .here) {
        self.number = number
        self.node = node
    }

    package static func < (left: GatewayID, right: GatewayID) -> Bool {
        (left.node, left.number) < (right.node, right.number)
    }
}

/// A client's wish to enter, so that an answer which comes twice is not taken for that of the next.
package struct Wish: Hashable, Sendable {
    package var socket: String
    /// Counts the wishes at one gateway.
    package var number: UInt64

    package init(socket: String, number: UInt64) {
        self.socket = socket
        self.number = number
    }
}

/// A member by the socket that it has just now. What a socket says that has been replaced since is passed over.
package struct MemberSocket: Hashable, Sendable {
    package var tree: String
    package var number: UInt64
    package var socket: String

    package init(tree: String, number: UInt64, socket: String) {
        self.tree = tree
        self.number = number
        self.socket = socket
    }
}
