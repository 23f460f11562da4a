import PeerTreeCore
import StateMachine

/// One peer's membership in a tree. A native peer's outlives its socket for a while.
struct Member {
    /// Where its socket is, or the last one it had.
    var gateway: GatewayID
    /// Whether a socket is there now, under the last of `ids`.
    var isConnected = true
    let slot: Slot
    let isNative: Bool
    /// Names the member in messages and in its resume token.
    let number: UInt64
    /// Unix time in seconds at which the newest resume token becomes void.
    var tokenExpiry: UInt32 = 0
    /// How many stripes its tree has.
    let stripes: Int
    /// Seconds between two of its reports, as the peer was told.
    var statusInterval: Double
    /// What is counted by reference is in one box: members are looked up, and so copied, several times an event.
    private var details: Boxed<Details>

    private struct Details: Sendable {
        var ids: [String]
        let tree: String
        var report = PeerReport()
        var sessions: [String: Session] = [:]
        var begun: [String] = []
    }

    /// How many ids of one peer are kept. Whoever knows it by an older one will have met it again by then.
    private static let maximumIDs = 4

    init(
        id: String,
        tree: String,
        gateway: GatewayID,
        isNative: Bool,
        stripes: Int,
        number: UInt64,
        statusInterval: TimeSpan
    ) {
        details = Boxed(Details(ids: id.isEmpty ? [] : [id], tree: tree))
        slot = Slot(ofTree: tree)
        self.gateway = gateway
        self.isNative = isNative
        self.number = number
        self.stripes = stripes
        self.statusInterval = Double(statusInterval.nanoseconds) / 1e9
    }

    /// Ids under which others may know the peer, the current one last. More than one after its socket came back.
    var ids: [String] { details.value.ids }

    /// The id of its tree.
    var tree: String { details.value.tree }

    /// What the peer says of itself.
    var report: PeerReport {
        get { details.value.report }
        _modify { yield &details.value.report }
    }

    /// By session id.
    var sessions: [String: Session] { details.value.sessions }

    /// The ids of the sessions this peer began, oldest first.
    var begun: [String] { details.value.begun }

    /// The peer's id: that of its socket, or of the last one it had.
    var id: String { details.value.ids.last ?? "" }

    /// How many parents it has at most: original clients have one for all stripes.
    var places: Int { isNative ? stripes : 1 }

    /// The member as its gateway knows it.
    var socket: MemberSocket { MemberSocket(tree: tree, number: number, socket: id) }

    /// Takes a new id and returns the one that is dropped for it, if any.
    mutating func rename(_ id: String) -> String? {
        details.value.ids.removeAll { $0 == id }
        details.value.ids.append(id)
        return ids.count > Self.maximumIDs ? details.value.ids.removeFirst() : nil
    }

    mutating func add(_ session: Session, id: String) {
        details.value.sessions[id] = session
        if session.isInitiator { details.value.begun.append(id) }
    }

    mutating func removeSession(_ id: String) {
        guard let session = details.value.sessions.removeValue(forKey: id) else { return }
        if session.isInitiator { details.value.begun.removeAll { $0 == id } }
    }

    /// The id by which this peer knows `other`: the one in their session, if they have one.
    func knownID(of other: PeerHandle) -> String? {
        details.value.sessions.values.lazy.filter { $0.other == other }.map(\.otherID).min()
    }
}

/// One end of the exchange that sets a link up.
struct Session: Equatable {
    let other: PeerHandle
    /// The other's id when the session began.
    let otherID: String
    let isInitiator: Bool
}

/// What is known of a tree besides placement.
struct TreeEntry {
    let id: String
    let source: PeerHandle
    let layout: StripeLayout
    /// Whether the source encrypts its stream.
    var isEncrypted = false
    /// With which key it signs it; nil if it does not, or if nobody has said since the server was started again.
    var key: SourceKey?
    /// Who may have word of a source whose socket is gone.
    var witnesses = SourceWitnesses()
    /// Where it was made: that gateway counts it for an address.
    var origin: GatewayID?
    /// What has happened in it.
    var activity = TreeActivity()
    /// Whether a summary is due to its source.
    var isSummaryPending = false
}
