/// One attempt to link with a neighbour, and the link that comes of it: a signalling session, a connection, a data
/// channel. One number names all of them.
struct Session {
    /// How far it has come.
    enum Phase: Equatable {
        /// The connection is being described; candidates wait for that.
        case describing
        /// Descriptions and candidates go to and fro.
        case connecting
        /// The data channel is open.
        case open
        /// The link is closed; the connection stays until what was sent is out, until then at the latest.
        case closing(deadline: Instant)
    }

    let id: LinkID
    /// As the session is called in signalling.
    let name: Text
    let remote: RemoteID
    /// What the neighbour is to this peer. A parent was offered the link, a child offered it.
    let role: NeighbourRole
    /// Whether the neighbour announced our protocol.
    var isNative: Bool
    var phase = Phase.describing
    /// When a child's session has to be a link.
    var deadline: Instant

    /// An offer is out that was not answered yet.
    var awaitsAnswer = false
    /// What the other end described has been handed to the connection, which can take candidates since.
    var isRemoteDescribed: Bool
    /// Candidates of the other end that came too early.
    var early: [Text] = []
    /// Own candidates that wait for the description.
    var unsent: [Text] = []
    /// All own candidates were found.
    var hasEndedCandidates = false

    /// Whether datagrams get through.
    var path = PathState.connected
    /// Whether they go over a TURN server.
    var isRelayed = false
    /// When this side last asked for a new path.
    var restartedAt: Instant?

    /// Whether it is on the way to a link.
    var isPending: Bool { phase == .describing || phase == .connecting }

    var isClosing: Bool {
        if case .closing = phase { return true }
        return false
    }

    /// When something has to happen.
    var nextDeadline: Instant {
        switch phase {
        case .describing, .connecting: deadline
        case .open: .distantFuture
        case .closing(let deadline): deadline
        }
    }
}

/// The sessions in the order in which they began.
struct SessionTable {
    private(set) var values: [Session] = []

    subscript(id: LinkID) -> Session? {
        get { values.first { $0.id == id } }
        set {
            guard let index = values.firstIndex(where: { $0.id == id }) else {
                if let newValue { values.append(newValue) }
                return
            }
            if let newValue { values[index] = newValue } else { values.remove(at: index) }
        }
    }

    /// The session that is called so in signalling. One that is closing takes no more signals.
    func named(_ name: Text) -> Session? {
        values.first { $0.name == name && !$0.isClosing }
    }

    /// How many are links or on the way to be.
    var liveCount: Int {
        values.reduce(0) { $1.isClosing ? $0 : $0 + 1 }
    }

    var deadline: Instant {
        values.reduce(.distantFuture) { min($0, $1.nextDeadline) }
    }
}
