public import NIOCore

/// What a transport binds to and how its connections behave.
public struct WebRTCConfiguration: Sendable {
    /// Literal addresses to bind to, at most one per IP version. Default: every address of both versions (an IP
    /// version the machine does not have is left out).
    public var bindAddresses: [String] = []
    /// UDP port, the same for both IP versions. Default 0: any free one.
    public var port: Int = 0
    /// Whether `127.0.0.1` and `::1` are host candidates. Default nil: only when the machine has no other address.
    public var includeLoopbackCandidates: Bool?
    /// STUN and TURN servers for connections that are given none of their own. Default none.
    public var iceServers: [ICEServer] = []
    /// Which candidates connections use. Default all.
    public var iceTransportPolicy = ICETransportPolicy.all
    /// File with the certificates (PEM) that vouch for TURN servers over TLS. Default nil: those of the system.
    public var turnCertificateAuthorities: String?
    /// UDP payload in bytes that no datagram exceeds. Default 1200, which every path carries (RFC 8831 section 5).
    public var maximumDatagramSize = 1200
    /// Largest message in bytes that is sent or accepted; announced to the peer, whose own limit counts for what is sent
    /// to it. Default 262,144, which every browser takes.
    public var maximumMessageSize = 262_144
    /// SCTP's receive window of a connection to begin with, in bytes: what a peer may have in flight, and what is held of it
    /// while nobody reads. There is always room for one message of `maximumMessageSize`. Default 256 KiB.
    public var initialReceiveWindow = 256 * 1024
    /// What the receive window grows to while it is what holds the peer back, in bytes. Default 8 MiB.
    public var maximumReceiveWindow = 8 * 1024 * 1024
    /// What all connections together may hold beyond their initial receive windows, in windows that have grown and in messages
    /// that are not whole yet, in bytes. Default 64 MiB.
    public var receiveWindowBudget = 64 * 1024 * 1024
    /// Bytes a channel queues before `send` throws; a single message may be larger. Default 16 MiB.
    public var maximumBufferedAmount = 16 * 1024 * 1024
    /// Memory in bytes that messages may take which wait for the readers of one connection's `AsyncDataChannel`s. Beyond it
    /// nothing more is read from the connection until they have caught up. Default 4 MiB.
    public var maximumUnreadBytes = 4 * 1024 * 1024
    /// Kernel receive buffer of each UDP socket, in bytes, as far as the system allows. Default 4 MiB.
    public var udpReceiveBufferSize = 4 * 1024 * 1024
    /// Connections at one time; `makePeerConnection` throws beyond. Default 10,000.
    public var maximumPeerConnections = 10_000
    /// Data channels of one connection at a time, at most 32,767; further ones that a peer opens are closed at once. Default
    /// 128.
    public var maximumDataChannels = 128
    /// The timing of ICE and of consent checks.
    public var ice = ICEConfiguration()
    /// Time from the pair to an open DTLS connection before the connection fails. Default 15 s.
    public var handshakeTimeout: TimeAmount = .seconds(15)
    /// How often a DTLS handshake is begun anew that breaks before the peer's certificate was seen, as anybody can bring
    /// about who can forge the peer's address; within `handshakeTimeout`, with pauses that grow to 1 s. Default 8.
    public var maximumHandshakeRestarts = 8

    /// The defaults.
    public init() {}
}

/// What a transport counted since it was bound. Everything dropped is counted: nothing vanishes silently.
public struct WebRTCCounters: Hashable, Sendable {
    /// Datagrams received and their bytes.
    public var receivedDatagrams: UInt64 = 0
    /// UDP payload received, in bytes.
    public var receivedBytes: UInt64 = 0
    /// Datagrams handed to the kernel.
    public var sentDatagrams: UInt64 = 0
    /// UDP payload sent, in bytes.
    public var sentBytes: UInt64 = 0
    /// UDP payload of the largest one so far, in bytes.
    public var largestSentDatagram = 0
    /// System calls that sent them.
    public var sendCalls: UInt64 = 0
    /// Datagrams the kernel did not take: unreachable, or its buffer stayed full.
    public var unsentDatagrams: UInt64 = 0
    /// First byte is neither STUN's nor DTLS's (RFC 7983).
    public var droppedUnknownProtocol: UInt64 = 0
    /// Not a valid STUN message.
    public var droppedMalformedSTUN: UInt64 = 0
    /// STUN for no connection here, or without valid integrity.
    public var droppedUnauthenticSTUN: UInt64 = 0
    /// STUN that a connection does not use, or an answer to no question of it: a second answer, one that came too late.
    public var droppedUnexpectedSTUN: UInt64 = 0
    /// DTLS from an address that no connection has authenticated.
    public var droppedUnroutedDTLS: UInt64 = 0
    /// DTLS records that did not decrypt, were no records, or came too early and were too many.
    public var droppedInvalidDTLS: UInt64 = 0
    /// Data from a TURN server, or what pretends to be one, for no peer that was given leave to send.
    public var droppedUnpermittedRelayData: UInt64 = 0
    /// DCEP or data messages that made no sense.
    public var droppedMalformedMessages: UInt64 = 0
}

/// Why the transport or a connection refused.
public enum WebRTCError: Error, Hashable, Sendable, CustomStringConvertible {
    /// `bindAddresses` holds something that is not a literal IP address.
    case invalidAddress(String)
    /// The address and port could not be bound; the system's reason.
    case bindFailed(address: String, reason: String)
    /// OpenSSL could not make the certificate or a session.
    case cryptography(String)
    /// More than `maximumPeerConnections`.
    case tooManyConnections(limit: Int)
    /// `iceServers` holds a URL that cannot be used, or a TURN server without credentials.
    case invalidICEServer(String, reason: String)
    /// The connection or transport is closed.
    case closed
    /// The call does not fit the state, for example an answer without an offer.
    case invalidState(String)
    /// The session description cannot be used.
    case invalidDescription(SDPError)
    /// A candidate line cannot be parsed.
    case invalidCandidate(String)
    /// The second description of a connection asks for something only a new connection can give.
    case unsupported(String)

    /// A sentence with the value that was wrong.
    public var description: String {
        switch self {
        case .invalidAddress(let text): "'\(text)' is not a literal IPv4 or IPv6 address"
        case .bindFailed(let address, let reason): "cannot bind UDP \(address): \(reason)"
        case .cryptography(let reason): reason
        case .tooManyConnections(let limit): "there are already \(limit) peer connections: raise maximumPeerConnections"
        case .invalidICEServer(let url, let reason): "the ICE server '\(url)' cannot be used: \(reason)"
        case .closed: "the peer connection is closed"
        case .invalidState(let reason): reason
        case .invalidDescription(let error): error.description
        case .invalidCandidate(let line): "'\(line)' is not an ICE candidate"
        case .unsupported(let reason): reason
        }
    }
}
