/// The names of the events that travel.
enum SignallingEvent {
    static let discover = "simple-signal[discover]"
    static let offer = "simple-signal[offer]"
    static let signal = "simple-signal[signal]"
    static let reject = "simple-signal[reject]"
    static let assign = "peer-tree[assign]"
    static let attached = "peer-tree[attached]"
    static let orphaned = "peer-tree[orphaned]"
    static let childLost = "peer-tree[child-lost]"
    static let childGone = "peer-tree[child-gone]"
    static let suspect = "peer-tree[suspect]"
    static let leave = "peer-tree[leave]"
    static let status = "peer-tree[status]"
    static let place = "peer-tree[place]"
    static let tree = "peer-tree[tree]"
    static let resume = "peer-tree[resume]"
    static let end = "peer-tree[end]"
    static let goingAway = "peer-tree[going-away]"
    static let iceServers = "peer-tree[ice-servers]"
    static let error = "peer-tree[error]"

    /// Those that clients send.
    static let fromClients: Set<String> = [
        discover, offer, signal, reject, attached, orphaned, childLost, leave, status, iceServers,
    ]
}
