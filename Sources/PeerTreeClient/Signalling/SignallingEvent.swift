import PeerTreeCore
import SocketIO
import WebRTC

/// What the signalling server sends, read from its JSON. Anything that does not fit is refused with a reason.
enum SignallingEvent {
    case discovered(Discovery)
    case discoveryFailed(code: String?, message: String)
    case offer(Offer)
    case signal(sessionID: String, Signal, isNative: Bool)
    case reject(sessionID: String)
    case assign(Assignment)
    case childGone(id: String)
    case suspect(id: String)
    case end
    case tree(TreeSummary)
    /// How often to report, in seconds.
    case statusInterval(Double)
    case refused(code: String, message: String)
    case renewed(resumeToken: String)
    case goingAway
    /// STUN and TURN servers with fresh credentials.
    case iceServers(ICEServerList)

    /// The answer to `simple-signal[discover]`.
    struct Discovery {
        var id: String
        var treeID: String
        /// The original's list of parents.
        var peers: [String]
        /// What a server of ours adds; nil from an original one.
        var native: Native?

        struct Native {
            var resumeToken: String?
            var stripes: UInt8
            var parents: [Assignment]
            var iceServers: ICEServerList?
        }
    }

    /// Whose child this peer is.
    struct Assignment {
        var parent: String
        var stripe: UInt8
        var epoch: UInt32
    }

    /// Somebody wants to be a child.
    struct Offer {
        var initiator: String
        var sessionID: String
        var signal: Signal
        var isNative: Bool
    }

    /// What simple-peer calls a signal.
    enum Signal {
        case description(SessionDescription)
        case candidate(IceCandidate)
        /// The answerer asks the offerer for a new offer: its path has died.
        case renegotiate
        /// Something of simple-peer's that data channels do not need (transceivers).
        case other
    }

    static let names = [
        "simple-signal[discover]", "simple-signal[offer]", "simple-signal[signal]", "simple-signal[reject]",
        "peer-tree[assign]", "peer-tree[child-gone]", "peer-tree[suspect]", "peer-tree[end]", "peer-tree[tree]",
        "peer-tree[status]", "peer-tree[error]", "peer-tree[ice-servers]", "peer-tree[resume]",
        "peer-tree[going-away]",
    ]
}

extension SignallingEvent {
    /// Reads an event.
    ///
    /// - Throws: ``MalformedSignal`` naming the member that is missing or of the wrong type.
    init(name: String, payload: JSONValue) throws(MalformedSignal) {
        switch name {
        case "simple-signal[discover]":
            self = try Self.discovery(payload)
        case "simple-signal[offer]":
            self = .offer(
                Offer(
                    initiator: try payload.string("initiator"),
                    sessionID: try payload.string("sessionId"),
                    signal: try Signal(payload["signal"]),
                    isNative: payload["metadata"]?["peerTree"]?.objectValue != nil
                )
            )
        case "simple-signal[signal]":
            let isNative = payload["metadata"]?["peerTree"]?.objectValue != nil
            self = .signal(
                sessionID: try payload.string("sessionId"),
                try Signal(payload["signal"]),
                isNative: isNative
            )
        case "simple-signal[reject]":
            self = .reject(sessionID: try payload.string("sessionId"))
        case "peer-tree[assign]":
            self = .assign(try Assignment(payload, id: "parent"))
        case "peer-tree[child-gone]":
            self = .childGone(id: try payload.string("id"))
        case "peer-tree[suspect]":
            self = .suspect(id: try payload.string("id"))
        case "peer-tree[end]":
            self = .end
        case "peer-tree[tree]":
            self = .tree(try TreeSummary(payload))
        case "peer-tree[status]":
            guard let seconds = payload["interval"]?.doubleValue, seconds.isFinite, seconds > 0 else {
                throw MalformedSignal(member: "interval")
            }
            self = .statusInterval(seconds)
        case "peer-tree[error]":
            self = .refused(
                code: payload["code"]?.stringValue ?? "error",
                message: payload["message"]?.stringValue ?? ""
            )
        case "peer-tree[resume]":
            self = .renewed(resumeToken: try payload.string("resume"))
        case "peer-tree[going-away]":
            self = .goingAway
        case "peer-tree[ice-servers]":
            guard let list = ICEServerList(payload) else { throw MalformedSignal(member: "iceServers") }
            self = .iceServers(list)
        default:
            throw MalformedSignal(member: name)
        }
    }

    private static func discovery(_ payload: JSONValue) throws(MalformedSignal) -> SignallingEvent {
        guard let data = payload["discoveryData"], data.objectValue != nil else {
            throw MalformedSignal(member: "discoveryData")
        }
        if let message = data["err"]?.stringValue {
            return .discoveryFailed(code: data["code"]?.stringValue, message: message)
        }
        var native: Discovery.Native?
        if let extra = data["peerTree"], extra.objectValue != nil {
            var parents: [Assignment] = []
            for entry in extra["parents"]?.arrayValue ?? [] { parents.append(try Assignment(entry, id: "id")) }
            native = Discovery.Native(
                resumeToken: extra["resume"]?.stringValue,
                stripes: UInt8(clamping: extra["stripes"]?.intValue ?? 1),
                parents: parents,
                iceServers: ICEServerList(extra)
            )
        }
        let peers = data["peers"]?.arrayValue?.compactMap { $0.stringValue } ?? []
        return .discovered(
            Discovery(
                id: try payload.string("id"),
                treeID: try data.string("treeID"),
                peers: peers,
                native: native
            )
        )
    }
}

/// A member of a server's message that is missing or of the wrong type.
struct MalformedSignal: Error {
    var member: String
}

extension SignallingEvent.Assignment {
    init(_ payload: JSONValue, id: String) throws(MalformedSignal) {
        parent = try payload.string(id)
        stripe = UInt8(clamping: payload["stripe"]?.intValue ?? 0)
        epoch = UInt32(clamping: payload["epoch"]?.intValue ?? 0)
    }
}

extension SignallingEvent.Signal {
    init(_ payload: JSONValue?) throws(MalformedSignal) {
        guard let payload, payload.objectValue != nil else { throw MalformedSignal(member: "signal") }
        if let candidate = payload["candidate"], candidate.objectValue != nil {
            self = .candidate(
                IceCandidate(
                    candidate: try candidate.string("candidate"),
                    sdpMid: candidate["sdpMid"]?.stringValue,
                    sdpMLineIndex: candidate["sdpMLineIndex"]?.intValue
                )
            )
            return
        }
        if payload["renegotiate"]?.boolValue == true {
            self = .renegotiate
            return
        }
        switch payload["type"]?.stringValue {
        case "offer": self = .description(SessionDescription(type: .offer, sdp: try payload.string("sdp")))
        case "answer": self = .description(SessionDescription(type: .answer, sdp: try payload.string("sdp")))
        default: self = .other
        }
    }

    /// As simple-peer sends it.
    var json: JSONValue {
        switch self {
        case .description(let description):
            return ["type": .string(description.type.rawValue), "sdp": .string(description.sdp)]
        case .candidate(let candidate):
            let index = candidate.sdpMLineIndex.map { JSONValue($0) } ?? .null
            let mid = candidate.sdpMid.map { JSONValue.string($0) } ?? .null
            return ["candidate": ["candidate": .string(candidate.candidate), "sdpMLineIndex": index, "sdpMid": mid]]
        case .renegotiate:
            return ["renegotiate": true]
        case .other:
            return [:]
        }
    }
}

extension TreeSummary {
    init(_ payload: JSONValue) throws(MalformedSignal) {
        guard let viewers = payload["viewers"]?.intValue, let depth = payload["depth"]?.intValue else {
            throw MalformedSignal(member: "viewers")
        }
        self.init(viewers: viewers, depth: depth, peers: [])
        peers = payload["peers"]?.arrayValue?.compactMap { Peer($0) } ?? []
    }
}

extension TreeSummary.Peer {
    init?(_ payload: JSONValue) {
        guard let id = payload["id"]?.stringValue else { return nil }
        let isNative = payload["native"]?.boolValue ?? false
        self.init(
            id: id,
            parent: payload["parent"]?.stringValue,
            depth: payload["depth"]?.intValue ?? 0,
            isNative: isNative,
            isAttached: !isNative || payload["attached"]?.boolValue ?? true,
            lag: payload["lag"]?.doubleValue
        )
    }
}

extension JSONValue {
    /// The string under `key`.
    fileprivate func string(_ key: String) throws(MalformedSignal) -> String {
        guard let value = self[key]?.stringValue else { throw MalformedSignal(member: key) }
        return value
    }
}
