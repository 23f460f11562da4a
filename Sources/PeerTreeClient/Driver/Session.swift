import NIOCore
import PeerTreeCore
import WebRTC

/// One attempt to link with a neighbour, and the link that comes of it: a signalling session, a peer connection, a data
/// channel.
final class Session {
    let id: String
    let remote: RemoteID
    let remoteName: String
    /// What the neighbour is to this peer.
    let role: NeighbourRole
    let connection: PeerConnection
    var channel: DataChannel?
    /// The link's number, once the channel is open.
    var link: LinkID?
    /// Whether the neighbour announced our protocol.
    var isNative: Bool
    /// When this side last asked for a new path.
    var restartedAt: NIODeadline?
    /// All candidates were found before it was known whether the neighbour wants to hear of it.
    var hasEndedCandidates = false
    /// Bytes sent since the peer was last told how full the channel's queue is.
    var unreportedBytes = 0

    init(
        id: String,
        remote: RemoteID,
        remoteName: String,
        role: NeighbourRole,
        connection: PeerConnection,
        isNative: Bool
    ) {
        self.id = id
        self.remote = remote
        self.remoteName = remoteName
        self.role = role
        self.connection = connection
        self.isNative = isNative
    }
}
