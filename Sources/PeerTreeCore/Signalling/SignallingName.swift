/// The events of signalling, by name. The first four are those of simple-signal 2.x.
public enum SignallingName: UInt8, CaseIterable, Sendable {
    /// A question for a place, and its answer.
    case discover
    /// A joiner offers a link.
    case offer
    /// A further signal within a session.
    case signal
    /// An offer was turned down.
    case reject
    /// To a peer: its parent.
    case assign
    /// To a peer: a child that may come.
    case admit
    /// To a peer: a child that is no longer one.
    case childGone
    /// To a peer: who stands by for it.
    case standby
    /// To a peer: a neighbour whose socket is gone.
    case suspect
    /// To a peer: its depth.
    case place
    /// To a source: its tree.
    case tree
    /// To a peer: a new resume token.
    case resume
    /// To a peer: the server is about to stop.
    case goingAway
    /// To a peer: its tree is over.
    case end
    /// To a peer: what was refused.
    case error
    /// Both ways: STUN and TURN servers.
    case iceServers
    /// Both ways: a report, and how often to report.
    case status
    /// Both ways: the newest pulse of a source whose socket is gone.
    case pulse
    /// To the server: the parent of an assignment feeds.
    case attached
    /// To the server: a parent is lost.
    case orphaned
    /// To the server: a parent is lost, and the peer has turned to its standby.
    case promoted
    /// To the server: a child is lost.
    case childLost
    /// To the server: the peer leaves.
    case leave

    /// The name as it travels.
    public var text: StaticString {
        switch self {
        case .discover: "simple-signal[discover]"
        case .offer: "simple-signal[offer]"
        case .signal: "simple-signal[signal]"
        case .reject: "simple-signal[reject]"
        case .assign: "peer-tree[assign]"
        case .admit: "peer-tree[admit]"
        case .childGone: "peer-tree[child-gone]"
        case .standby: "peer-tree[standby]"
        case .suspect: "peer-tree[suspect]"
        case .place: "peer-tree[place]"
        case .tree: "peer-tree[tree]"
        case .resume: "peer-tree[resume]"
        case .goingAway: "peer-tree[going-away]"
        case .end: "peer-tree[end]"
        case .error: "peer-tree[error]"
        case .iceServers: "peer-tree[ice-servers]"
        case .status: "peer-tree[status]"
        case .pulse: "peer-tree[pulse]"
        case .attached: "peer-tree[attached]"
        case .orphaned: "peer-tree[orphaned]"
        case .promoted: "peer-tree[promoted]"
        case .childLost: "peer-tree[child-lost]"
        case .leave: "peer-tree[leave]"
        }
    }

    /// Whether an original server knows the event too.
    public var isOriginal: Bool {
        switch self {
        case .discover, .offer, .signal, .reject: true
        default: false
        }
    }

    /// Whether clients send the event.
    public var isFromClient: Bool {
        switch self {
        case .discover, .offer, .signal, .reject, .attached, .orphaned, .promoted, .childLost, .leave, .status,
            .iceServers, .pulse:
            true
        default: false
        }
    }

    /// Whether the server sends the event.
    public var isFromServer: Bool {
        switch self {
        case .attached, .orphaned, .promoted, .childLost, .leave: false
        default: true
        }
    }
}

/// The members of signalling payloads that both ends of the wire know, by name.
enum SignallingField {
    static var id: StaticString { "id" }
    static var treeID: StaticString { "treeID" }
    static var extra: StaticString { "peerTree" }
    static var version: StaticString { "v" }
    static var stripes: StaticString { "stripes" }
    static var parity: StaticString { "parity" }
    static var stripe: StaticString { "stripe" }
    static var capacity: StaticString { "capacity" }
    static var epoch: StaticString { "epoch" }
    static var kind: StaticString { "kind" }
    static var standby: StaticString { "standby" }
    static var depth: StaticString { "depth" }
    static var parents: StaticString { "parents" }
    static var children: StaticString { "children" }
    static var resume: StaticString { "resume" }
    static var reason: StaticString { "reason" }
    static var sessionID: StaticString { "sessionId" }
    static var signal: StaticString { "signal" }
    static var metadata: StaticString { "metadata" }
    static var type: StaticString { "type" }
    static var sdp: StaticString { "sdp" }
    static var candidate: StaticString { "candidate" }
    static var key: StaticString { "key" }
    static var frame: StaticString { "frame" }
    static var renegotiate: StaticString { "renegotiate" }
}

/// The version of what peers and server say to each other beyond simple-signal.
public enum SignallingVersion {
    /// The only one that is spoken.
    public static let current = 2
}

extension LossReason {
    /// The name in signalling.
    public var text: StaticString {
        switch self {
        case .silent: "silent"
        case .closed: "closed"
        case .refused: "refused"
        case .unreachable: "unreachable"
        case .notForwarding: "not-forwarding"
        case .slow: "slow"
        case .forged: "forged"
        }
    }
}
