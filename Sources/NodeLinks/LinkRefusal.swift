/// Why a node ends a connection, in words for the other node's log.
package enum LinkRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// No common version of the protocol.
    case version(LinkVersions)
    /// None of the proofs was made with a secret that is valid here.
    case wrongSecret
    /// Both ends have one name, or are one node that dialed itself.
    case sameName(NodeName)
    /// A newer process has taken the node's name, and is reached.
    case nameTaken(NodeName)
    /// The node that was dialed is another one.
    case otherNode(expected: NodeName, found: NodeName)
    /// No link to a node of that name was added.
    case unknownNode(NodeName)
    /// What came is not of this protocol.
    case violation(LinkViolation)
    /// The proof took too long.
    case tooSlow
    /// Too many connections have proved nothing yet.
    case busy
    /// A newer connection took the place of this one.
    case superseded
    /// The link was removed.
    case removed
    /// The session is over, since too much waited for its acknowledgement.
    case overflow
    /// Nothing was heard for too long.
    case silent
    /// In the other node's words, cut to 200 visible characters.
    case said(String)

    package var description: String {
        switch self {
        case .version(let versions): "only versions \(versions.oldest) to \(versions.newest) are spoken here"
        case .wrongSecret: "the secret is another one: all nodes need one secret in common"
        case .sameName(let name): "both ends are called '\(name)': every node needs a name of its own"
        case .nameTaken(let name): "a newer process has the name '\(name)': every node needs a name of its own"
        case .otherNode(let expected, let found):
            "'\(expected)' was dialed, and '\(found)' answered: check the addresses"
        case .unknownNode(let name): "no node '\(name)' is known here"
        case .violation(let violation): "\(violation)"
        case .tooSlow: "the proof took too long"
        case .busy: "too many connections have not proved anything yet"
        case .superseded: "a newer connection took the place of this one"
        case .removed: "the link was removed"
        case .overflow: "too much waited to be acknowledged"
        case .silent: "nothing was heard for too long"
        case .said(let words): words
        }
    }

    static let maximumSaidLength = 200

    /// The other node's words as they may stand in a log.
    static func said(by bytes: some Sequence<UInt8>) -> LinkRefusal {
        let visible = bytes.prefix(maximumSaidLength).map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
        return .said(String(decoding: visible, as: UTF8.self))
    }
}

/// What is wrong with bytes that came.
package enum LinkViolation: Error, Hashable, Sendable, CustomStringConvertible {
    case empty
    case tooLong(bytes: Int, limit: Int)
    case unknownType(UInt8)
    case malformed(String)
    case unexpected(String)

    package var description: String {
        switch self {
        case .empty: "a frame has no type"
        case .tooLong(let bytes, let limit): "a frame has \(bytes) bytes, of \(limit) at most"
        case .unknownType(let type): "there is no frame of type \(type)"
        case .malformed(let what): "\(what) has another form"
        case .unexpected(let what): "\(what) was not expected"
        }
    }
}

/// The versions of the protocol that a node speaks.
package struct LinkVersions: Hashable, Sendable {
    package let oldest: UInt16
    package let newest: UInt16

    /// Those that are spoken here.
    package static let spoken = LinkVersions(oldest: 1, newest: 1)

    package init(oldest: UInt16, newest: UInt16) {
        self.oldest = oldest
        self.newest = max(oldest, newest)
    }

    /// The newest that both speak.
    func common(with other: LinkVersions) -> UInt16? {
        let version = min(newest, other.newest)
        return version >= max(oldest, other.oldest) ? version : nil
    }
}
