package import NIOCore

/// What two nodes say to each other, each behind its length. All integers are big-endian; see the page on node links.
package enum LinkFrame: Hashable, Sendable {
    /// Who somebody is, and what its proof has to be about.
    case hello(Hello)
    /// That somebody knows the secret: a code for each that is valid for it.
    case proof([ProofCode])
    /// The connection is about to be closed, and why.
    case refuse(LinkRefusal)
    /// By the node whose name comes first: frames go over this connection from now on.
    case attach(Attach)
    /// The answer.
    case attached(Attached)
    /// A payload. Numbers count from 1 in a session.
    case data(UInt64, ByteBuffer)
    /// All up to this number has come. Said again, it shows that the node lives.
    case acknowledge(UInt64)

    package struct Attach: Hashable, Sendable {
        /// Grows with every attempt of a process: the latest counts, in whatever order they come.
        var attempt: UInt64
        var session: LinkID
        /// The session is to begin: whatever was before is over. Otherwise it is to go on.
        var isNew: Bool
        /// What has come of the other's frames in this session.
        var received: UInt64
    }

    package enum Attached: Hashable, Sendable {
        /// What has come of the other's frames in this session.
        case received(UInt64)
        /// There is no such session.
        case unknownSession
    }
}

enum FrameType: UInt8 {
    case hello = 1
    case proof
    case refuse
    case attach
    case attached
    case data
    case acknowledge
}

extension LinkFrame {
    /// Bytes of a frame besides a payload.
    static let dataOverhead = 9
    /// Bytes of the longest frame without a payload.
    static let maximumControlBytes = 512
    /// Bytes of the field before a frame, which has the number of those behind it.
    static let lengthBytes = 4
}
