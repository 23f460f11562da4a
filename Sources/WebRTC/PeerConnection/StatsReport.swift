public import NIOCore

/// What went over a connection so far: the dictionaries of W3C "Identifiers for WebRTC's Statistics API" that data
/// channels have a use for, under their names.
public struct StatsReport: Hashable, Sendable {
    /// The connection as a whole (`RTCPeerConnectionStats`).
    public var peerConnection: PeerConnection
    /// The DTLS transport (`RTCTransportStats`).
    public var transport: Transport
    /// The addresses in use (`RTCIceCandidatePairStats` of `selectedCandidatePairId`); nil before there are any.
    public var candidatePair: CandidatePair?
    /// The SCTP association (`RTCSctpTransportStats`); nil while there is none.
    public var sctpTransport: SCTPTransport?
    /// The channels that are not closed (`RTCDataChannelStats`).
    public var dataChannels: [DataChannel]

    /// `RTCPeerConnectionStats`.
    public struct PeerConnection: Hashable, Sendable {
        /// Channels that have been open.
        public var dataChannelsOpened: UInt32
        /// Channels that have been open and are closed.
        public var dataChannelsClosed: UInt32
    }

    /// `RTCDtlsTransportState`.
    public enum DTLSState: String, Hashable, Sendable {
        /// The handshake has not begun.
        case new
        /// The handshake is under way.
        case connecting
        /// The handshake is over and the peer's certificate is the announced one.
        case connected
        /// Closed by either side.
        case closed
        /// The handshake failed.
        case failed
    }

    /// `RTCIceRole`.
    public enum ICERole: String, Hashable, Sendable {
        /// This side chooses the pair.
        case controlling
        /// The peer chooses the pair.
        case controlled
    }

    /// `RTCTransportStats`.
    public struct Transport: Hashable, Sendable {
        /// Payload of DTLS that was sent, in bytes: SCTP packets with their headers.
        public var bytesSent: UInt64
        /// Payload of DTLS that came, in bytes.
        public var bytesReceived: UInt64
        /// DTLS datagrams sent.
        public var packetsSent: UInt64
        /// DTLS datagrams received.
        public var packetsReceived: UInt64
        /// Where the handshake stands.
        public var dtlsState: DTLSState
        /// The cipher suite in OpenSSL's words, once agreed on.
        public var dtlsCipher: String?
        /// Who chooses the pair.
        public var iceRole: ICERole
        /// Where ICE stands.
        public var iceState: ICEConnectionState
    }

    /// `RTCIceCandidatePairStats`.
    public struct CandidatePair: Hashable, Sendable {
        /// This side's candidate.
        public var local: ICECandidate
        /// The peer's candidate.
        public var remote: ICECandidate
        /// Whether the controlling side has settled on it.
        public var nominated: Bool
        /// Round trip of the last answered connectivity or consent check.
        public var currentRoundTripTime: TimeAmount?
    }

    /// `RTCSctpTransportStats`, how much was sent again, and how fast data arrives.
    public struct SCTPTransport: Hashable, Sendable {
        /// Smoothed round trip as SCTP sees it; includes delayed acknowledgements. 0 before one was measured.
        public var smoothedRoundTripTime: TimeAmount
        /// Silence after which a packet is sent again.
        public var retransmissionTimeout: TimeAmount
        /// What may be in flight, in bytes.
        public var congestionWindow: Int
        /// What the peer has room for, in bytes.
        public var receiverWindow: Int
        /// The largest SCTP packet, in bytes.
        public var mtu: Int
        /// DATA chunks that the peer has not acknowledged.
        public var unackData: Int
        /// Messages that SCTP holds and has not sent all of.
        public var pendingMessages: Int
        /// Packets with DATA that had been sent before.
        public var retransmittedPackets: UInt64
        /// User data in them, in bytes.
        public var retransmittedBytes: UInt64
        /// See ``WebRTC/PeerConnection/deliveryRate``.
        public var deliveryRate: Int?
    }

    /// `RTCDataChannelStats`.
    public struct DataChannel: Hashable, Sendable {
        /// The name its creator gave it.
        public var label: String
        /// The subprotocol's name (W3C `protocol`).
        public var subprotocol: String
        /// The SCTP stream, once known.
        public var dataChannelIdentifier: UInt16?
        /// The state of the channel.
        public var state: DataChannelState
        /// Messages that `send` accepted.
        public var messagesSent: UInt64
        /// Their payload in bytes.
        public var bytesSent: UInt64
        /// Messages that came.
        public var messagesReceived: UInt64
        /// Their payload in bytes.
        public var bytesReceived: UInt64
    }
}
