import WebRTC

/// The connection to a neighbour and its one data channel.
struct Connection {
    let connection: PeerConnection
    var channel: DataChannel?
}
