// What the server sends, checked: it may be another program, or lie.

extension ServerEvent {
    private typealias Field = SignallingField

    /// The most entries that are read of a list in a payload.
    private static var maximumEntries: Int { 16 }

    /// Reads an event and its first argument, which is JSON; nil if a member is missing or of the wrong type, or if there
    /// is no such event.
    public init?(_ name: Text, _ payload: Text) {
        guard let name = SignallingName.allCases.first(where: { $0.isFromServer && name == $0.text }),
            let payload = JSONReader(payload), payload.isObject, let event = Self.read(name, payload)
        else { return nil }
        self = event
    }

    private static func read(_ name: SignallingName, _ payload: JSONReader) -> ServerEvent? {
        switch name {
        case .discover: return discovery(payload)
        case .offer: return offer(payload)
        case .signal: return signal(payload)
        case .reject: return payload[Field.sessionID]?.text.map { .reject(session: $0) }
        case .assign: return ParentAssignment(payload, parent: "parent").map { .assign($0) }
        case .admit, .childGone: return child(name, payload)
        case .standby: return standby(payload)
        case .suspect: return payload[Field.id]?.text.map { .suspect($0) }
        case .place: return payload[Field.depth]?.integer(upTo: .max).map { .place(depth: $0) }
        case .tree: return .tree(payload.raw)
        case .resume: return payload[Field.resume]?.text.map { .resume($0, capacity: capacity(payload)) }
        case .goingAway: return .goingAway
        case .end: return .end
        case .error:
            let code = payload["code"]?.text ?? "error"
            return .refused(code: code, message: payload["message"]?.text ?? .empty)
        case .iceServers: return ICEServerAdvice(payload).map { .iceServers($0) }
        case .status: return statusInterval(payload)
        case .pulse: return .pulseWanted
        case .attached, .orphaned, .promoted, .childLost, .leave: return nil
        }
    }

    /// Who is a child or a ward, or no longer. Of any other kind this version knows nothing.
    private static func child(_ name: SignallingName, _ payload: JSONReader) -> ServerEvent? {
        guard let id = payload[Field.id]?.text else { return nil }
        guard let kind = payload[Field.kind] else {
            return name == .admit ? .admit(id, stripe: stripe(payload)) : .childGone(id, stripe: stripe(payload))
        }
        guard let kind = kind.text, kind == Text(Field.standby) else { return nil }
        return name == .admit ? .admitWard(id) : .wardGone(id)
    }

    private static func standby(_ payload: JSONReader) -> ServerEvent? {
        guard let id = payload[Field.id], id.isNull || id.text != nil else { return nil }
        return .standby(id.text)
    }

    private static func stripe(_ payload: JSONReader) -> UInt8 {
        UInt8(clamping: payload[Field.stripe]?.integer(upTo: 255) ?? 0)
    }

    private static func capacity(_ payload: JSONReader) -> Int? {
        payload[Field.capacity]?.integer(upTo: UInt32(UInt16.max)).map { Int($0) }
    }

    private static func isNative(_ payload: JSONReader) -> Bool {
        let version = payload[Field.metadata]?[Field.extra]?[Field.version]?.integer(upTo: 255)
        return version == UInt32(SignallingVersion.current)
    }

    private static func statusInterval(_ payload: JSONReader) -> ServerEvent? {
        guard let seconds = payload["interval"]?.number, seconds > 0 else { return nil }
        return .statusInterval(.milliseconds(UInt64(max(1, min(seconds, 1e6) * 1_000))))
    }

    // MARK: Sessions

    private static func offer(_ payload: JSONReader) -> ServerEvent? {
        guard let session = payload[Field.sessionID]?.text, let initiator = payload["initiator"]?.text,
            case .offer(let sdp) = payload[Field.signal].flatMap({ Signal($0) })
        else { return nil }
        return .offer(session: session, from: initiator, sdp: sdp, isNative: isNative(payload))
    }

    private static func signal(_ payload: JSONReader) -> ServerEvent? {
        guard let session = payload[Field.sessionID]?.text, let signal = payload[Field.signal].flatMap({ Signal($0) })
        else { return nil }
        return .signal(session: session, signal, isNative: isNative(payload))
    }

    // MARK: Discovery

    private static func discovery(_ payload: JSONReader) -> ServerEvent? {
        guard let data = payload["discoveryData"], data.isObject else { return nil }
        if let message = data["err"]?.text { return .discoveryFailed(code: data["code"]?.text, message: message) }
        guard let id = payload[Field.id]?.text, let treeID = data[Field.treeID]?.text else { return nil }
        var additions: Discovery.Additions?
        if let extra = data[Field.extra], extra.isObject {
            additions = Discovery.Additions(
                resumeToken: extra[Field.resume]?.text,
                stripes: UInt8(clamping: max(1, extra[Field.stripes]?.integer(upTo: 255) ?? 1)),
                capacity: capacity(extra),
                parents: list(extra[Field.parents]).compactMap { ParentAssignment($0, parent: Field.id) },
                iceServers: ICEServerAdvice(extra),
                clock: clock(extra)
            )
            additions?.parity = UInt8(clamping: extra[Field.parity]?.integer(upTo: 255) ?? 0)
            additions?.key = extra[Field.key]?.text?.unhexed.flatMap { SourceKey($0) }
        }
        let peers = list(data["peers"]).compactMap { $0.text }
        return .discovered(Discovery(id: id, treeID: treeID, peers: peers, additions: additions))
    }

    /// The server says it in milliseconds.
    private static func clock(_ payload: JSONReader) -> UInt64? {
        guard let milliseconds = payload["clock"]?.number, milliseconds >= 0, milliseconds < 1e15 else { return nil }
        return UInt64(milliseconds * 1_000)
    }

    private static func list(_ value: JSONReader?) -> [JSONReader] {
        value?.elements(upTo: maximumEntries) ?? []
    }
}

extension ServerEvent.Signal {
    /// Reads a signal; nil for what data channels do not need (transceivers).
    init?(_ payload: JSONReader) {
        if let candidate = payload[SignallingField.candidate], candidate.isObject {
            guard candidate[SignallingField.candidate]?.text != nil else { return nil }
            self = .candidate(candidate.raw)
            return
        }
        if payload[SignallingField.renegotiate]?.isTrue == true {
            self = .renegotiate
            return
        }
        guard let type = payload[SignallingField.type]?.text, let sdp = payload[SignallingField.sdp]?.text else {
            return nil
        }
        switch true {
        case type == "offer": self = .offer(sdp: sdp)
        case type == "answer": self = .answer(sdp: sdp)
        default: return nil
        }
    }
}

extension ParentAssignment {
    /// - Parameter parent: the member that names the parent.
    init?(_ payload: JSONReader, parent: StaticString) {
        guard let value = payload[parent], value.isNull || value.text != nil else { return nil }
        self.parent = value.text
        stripe = UInt8(clamping: payload[SignallingField.stripe]?.integer(upTo: 255) ?? 0)
        epoch = payload[SignallingField.epoch]?.integer(upTo: .max) ?? 0
        depth = payload[SignallingField.depth]?.integer(upTo: .max) ?? 0
    }
}

extension ICEServerAdvice {
    /// Nil where none are named.
    init?(_ payload: JSONReader) {
        guard let servers = payload["iceServers"], servers.isArray else { return nil }
        list = servers.raw
        let seconds = payload["iceServersLifetime"]?.integer(upTo: .max) ?? 0
        lifetime = seconds > 0 ? .seconds(UInt64(seconds)) : nil
    }
}
