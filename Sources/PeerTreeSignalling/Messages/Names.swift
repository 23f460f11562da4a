/// Names a gateway among those that talk to a tree service.
package struct GatewayID: Hashable, Sendable {
    package var number: UInt32

    package init(_ number: UInt32) {
        self.number = number
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
