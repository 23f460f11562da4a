import PeerTreeCore

/// Why an input of a client is refused: a code for programs, a sentence for people.
package struct SignallingError: Error, Equatable {
    package let code: String
    package let message: String

    package init(code: String, message: String) {
        self.code = code
        self.message = message
    }

    static let notAMember = SignallingError(
        code: "not-a-member",
        message: "You are in no tree. Send simple-signal[discover] first."
    )
    static let notNative = SignallingError(
        code: "not-native",
        message: "This event is for peers that sent peerTree in simple-signal[discover]."
    )
    package static let unknownTree = SignallingError(code: "unknown-tree", message: "Tree does not exist.")
    static let unknownResume = SignallingError(
        code: "unknown-resume",
        message: "The resume token is not valid, or came too late. Discover the tree again without it."
    )
    static let alreadyMember = SignallingError(
        code: "already-member",
        message: "You are in a tree already. Leave it first."
    )
    static let mayNotCreate = SignallingError(
        code: "forbidden",
        message: "You may not create trees here. Connect with a token that allows it."
    )
    static let mayNotJoin = SignallingError(
        code: "forbidden",
        message: "You may not join this tree. Connect with a token that allows it."
    )
    static let tooManySockets = SignallingError(
        code: "too-many-sockets",
        message: "Your address has as many connections as it may have. Close some."
    )
    static let tooManyJoins = SignallingError(
        code: "too-many-joins",
        message: "Your address joins faster than it may. Try again in a moment."
    )
    static let tooManyTrees = SignallingError(
        code: "too-many-trees",
        message: "You, or your address, have created as many trees as you may."
    )
    static let serverFull = SignallingError(code: "server-full", message: "The server has as many peers as it takes.")
    static let unknownSession = SignallingError(
        code: "unknown-session",
        message: "No such session between you and the target. It begins with simple-signal[offer]."
    )

    static let tooFast = SignallingError(code: "too-fast", message: "Events are dropped: send fewer.")
    static let unknownEvent = SignallingError(code: "unknown-event", message: "The server does not know this event.")
    static let resumedElsewhere = SignallingError(
        code: "resumed-elsewhere",
        message: "Your place was taken over by another socket."
    )
    static let treeExists = SignallingError(code: "tree-exists", message: "Another tree has this id. Try again.")
    static let tooManyWatchers = SignallingError(
        code: "too-many-watchers",
        message: "Too many dashboards are open: close one."
    )
    static let notWatching = SignallingError(code: "not-watching", message: "You watch no tree.")
    static let encryptedTree = SignallingError(
        code: "encrypted-tree",
        message: "This broadcast is encrypted: it needs a client that can open it, such as this server's own pages."
    )
    static let unproven = SignallingError(
        code: "unproven",
        message: "You do not prove that the tree is yours: its key has not signed for this socket and host."
    )
    static let alreadySource = SignallingError(
        code: "already-source",
        message: "You are the source of a tree. Leave it first."
    )

    static func otherVersion(_ version: Int) -> SignallingError {
        let current = SignallingVersion.current
        let remedy =
            version < current ? "Update your client" : "Update the server, or use a client of version \(current)"
        return SignallingError(
            code: "unknown-version",
            message: "This server speaks version \(current) of peer-tree and you speak \(version). \(remedy)."
        )
    }

    static func otherStripes(_ layout: StripeLayout) -> SignallingError {
        SignallingError(
            code: "other-stripes",
            message: "This tree is there with \(layout.stripes) stripes, \(layout.parity) of them with parity. "
                + "Use as many, or wait until it has ended."
        )
    }

    static func badField(_ name: String, _ expected: String) -> SignallingError {
        SignallingError(code: "bad-field", message: "\(name) must be \(expected).")
    }
}

extension SignallingError {
    init(_ error: TrackerError) {
        switch error {
        case .unknownTree: self = .unknownTree
        case .unknownPeer: self = .notAMember
        case .tooManyTrees(let limit):
            self.init(code: "server-full", message: "The server holds \(limit) trees already.")
        case .tooManyPeers(let limit):
            self.init(code: "tree-full", message: "The tree has \(limit) peers already.")
        case .treeFull:
            self.init(code: "tree-full", message: "No peer of the tree has a free slot. Try again later.")
        case .stripesOutOfRange(let limit):
            self = .badField("peerTree.stripes", "an integer from 1 to \(limit)")
        case .parityOutOfRange(let parity, let stripes):
            let fewest = StripeLayout.fewestWithParity
            self = .badField("peerTree.parity", "0, or 1 of at least \(fewest) stripes; it is \(parity) of \(stripes)")
        case .unknownStripe:
            self.init(code: "unknown-stripe", message: "The tree has no such stripe.")
        case .unknownEpoch:
            self.init(code: "unknown-epoch", message: "You were never given this epoch.")
        case .sourceJoinsOwnTree:
            self.init(code: "own-tree", message: "You are the source of this tree and cannot be its viewer.")
        case .sourceHasNoParent:
            self.init(code: "source-has-no-parent", message: "You are the source of this tree and have no parent.")
        case .notAChild:
            self.init(code: "not-a-child", message: "The peer named is not your child.")
        case .unsoundSnapshot: self = .unknownTree
        }
    }
}
