import NIOCore
import SCTP

// What a connection is made of, by responsibility.
extension PeerConnection {
    /// What the application is told of the connection as a whole.
    struct Status {
        var connection = PeerConnectionState.new
        var ice = ICEConnectionState.new
        var closeReason: String?
    }

    /// This side's candidates and where they come from.
    struct Gathering {
        var state = ICEGatheringState.new
        var servers: [ResolvedServer]
        var policy: ICETransportPolicy
        /// The servers or the policy changed after candidates were gathered.
        var mustGatherAnew = false
        /// Candidates that come to light now go into the description that is being made.
        var isAttaching = false
        /// All candidates of this side.
        var localCandidates: [GatheredCandidate] = []
        /// Host names of the peer's candidates that were looked up.
        var hostNameCount = 0

        init(servers: [ResolvedServer], policy: ICETransportPolicy) {
            self.servers = servers
            self.policy = policy
        }
    }

    /// The ways to the peer.
    struct Paths {
        var agent: ICEAgent
        /// During an ICE restart, the agent whose pair carries the data until the new one has found its own.
        var previousAgent: ICEAgent?
        /// Where DTLS goes: the selected pair, or until then whence the peer was last heard.
        var destination: DTLSDestination?
        /// Addresses from which datagrams are taken to be this connection's.
        var routes: [TransportAddress] = []
        /// The shortest there was on the path in use; nil before there is one.
        var roundTrip: TimeAmount?

        init(agent: ICEAgent) {
            self.agent = agent
        }
    }

    /// The DTLS connection, and the attempts at its handshake.
    struct Handshake {
        var dtls: DTLSSession?
        var deadline: NIODeadline?
        /// Attempts after the first.
        var restarts = 0
        /// Between two attempts, in which what comes is dropped: the peer sends it again.
        var isPaused = false
        /// This attempt has sent something that the peer may answer.
        var hasSentFlight = false
        /// Random values of ServerHellos that belong to earlier attempts.
        var staleRandoms: Set<[UInt8]> = []
        /// Datagrams that came before the remote description, bounded in number and size.
        var earlyDatagrams: [[UInt8]] = []
    }

    /// The SCTP association, and what drives it.
    struct Messaging {
        var association: Association?
        /// When it has to be woken up.
        var alarm: Alarm?
        /// Sees every packet before it is encrypted.
        var tap: ((UnsafeRawBufferPointer) -> Void)?
    }

    /// Data channels and the streams that they use.
    struct ChannelTable {
        /// Open and opening channels by stream, and those that wait for the DTLS role to get one.
        var channels: [UInt16: DataChannel] = [:]
        var unassigned: [DataChannel] = []
        /// Streams that the peer takes; 0 before the association is up.
        var outgoingStreams = 0
        var hasUnopened = false
        var resets = StreamResets()
        /// Channels that have an event to raise, or are to be closed when they have sent all they had.
        var noted: [DataChannel] = []
        var openedChannels: UInt32 = 0
        var closedChannels: UInt32 = 0
    }

    /// Readers that have fallen behind.
    struct Reading {
        var pauses = 0
        var budget: ReadingBudget?
    }

    /// What the next tick has to look after.
    struct Work {
        var isDirty = false
        /// ICE or the handshake moved: outputs and deadlines have to be looked at. Not so for a mere data packet.
        var hasControlWork = true
        var alarm: Alarm?
    }
}

extension PeerConnection {
    /// The state of the connection as a whole.
    public internal(set) var connectionState: PeerConnectionState {
        get { self.status.connection }
        set { self.status.connection = newValue }
    }

    /// The state of the ICE agent; during a restart, of the path that is still in use.
    public internal(set) var iceConnectionState: ICEConnectionState {
        get { self.status.ice }
        set { self.status.ice = newValue }
    }

    /// Why the connection failed or closed, once it has; for a log.
    public internal(set) var closeReason: String? {
        get { self.status.closeReason }
        set { self.status.closeReason = newValue }
    }

    /// How far the STUN and TURN servers have been asked.
    public internal(set) var iceGatheringState: ICEGatheringState {
        get { self.gathering.state }
        set { self.gathering.state = newValue }
    }

    /// The data channels that are not closed.
    public var dataChannels: [DataChannel] { Array(self.streams.channels.values) + self.streams.unassigned }

    /// Whether the peer has yet to acknowledge anything sent on a channel. What ``DataChannel/bufferedAmount`` no longer
    /// counts may still be under way, and is lost if the connection closes.
    public var hasUnacknowledgedData: Bool {
        self.association?.hasUnacknowledgedData == true
    }

    /// Readers that have fallen behind. While there are any, messages stay in SCTP's receive buffer, whose window
    /// then tells the peer to stop.
    var readingPauses: Int {
        get { self.reading.pauses }
        set { self.reading.pauses = newValue }
    }

    /// What async channels hold for their readers.
    var readingBudget: ReadingBudget {
        if let budget = self.reading.budget { return budget }
        let limit = self.transport.configuration.maximumUnreadBytes
        let budget = ReadingBudget(limit: limit, of: self, eventLoop: self.transport.eventLoop)
        self.reading.budget = budget
        return budget
    }
}
