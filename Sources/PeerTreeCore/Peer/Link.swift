/// One neighbour, as this peer sees it.
struct Link {
    let id: LinkID
    let remote: RemoteID
    let role: NeighbourRole
    let mode: LinkMode

    var liveness: Liveness
    var queue: SendQueue
    /// Whether the path leads over a TURN server, as far as the driver knows.
    var isRelayed = false
    /// Frames that break the protocol, or that say what cannot be.
    var offences = 0
    /// What the neighbour wants to have again.
    var requests = PendingRequests()
    /// What it is fed, as a child.
    var feeding: Feeding
    /// What it may send, as a parent.
    var intake = Intake()

    init(_ id: LinkID, _ remote: RemoteID, _ role: NeighbourRole, _ mode: LinkMode, at now: Instant) {
        self.id = id
        self.remote = remote
        self.role = role
        self.mode = mode
        liveness = Liveness(openedAt: now)
        queue = SendQueue(at: now)
        feeding = Feeding(at: now)
    }

    /// A chunk or message of so many bytes is handed to the driver.
    ///
    /// - Parameter isRepetition: whether it was handed over before, which is no progress.
    mutating func hand(_ bytes: Int, isRepetition: Bool, at now: Instant) {
        queue.hand(bytes)
        if !isRepetition { feeding.arrears.feed(bytes) }
        liveness.lastSent = now
    }

    /// Takes the place of another link to the same neighbour, with its debts.
    mutating func succeed(_ former: Link) {
        feeding.arrears = former.feeding.arrears
        requests = former.requests
        requests.removeAll()
    }
}
