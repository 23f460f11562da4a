// What a client sends, in the members and the order in which original clients send theirs.

extension ClientEvent {
    private typealias Field = SignallingField

    /// The event's name.
    public var name: SignallingName {
        switch self {
        case .discover: .discover
        case .offer: .offer
        case .signal: .signal
        case .reject: .reject
        case .attached: .attached
        case .orphaned: .orphaned
        case .promoted: .promoted
        case .childLost: .childLost
        case .leave: .leave
        case .status: .status
        case .iceServers: .iceServers
        case .pulse: .pulse
        }
    }

    /// The event's payload as JSON.
    public var payload: Text {
        JSONWriter.text { writer in writer.object { write(into: &$0) } }
    }

    private func write(into json: inout JSONWriter) {
        switch self {
        case .discover(let request): request.write(into: &json)
        case .offer(let session, let target, let sdp):
            Self.write(.offer(sdp: sdp), isNative: true, session, target, into: &json)
        case .signal(let session, let target, let signal, let isNative):
            Self.write(signal, isNative: isNative, session, target, into: &json)
        case .reject(let session, let target, let reason):
            json.name(Field.metadata)
            json.object {
                $0.name(Field.reason)
                $0.string(reason)
            }
            Self.write(session, target, into: &json)
        case .attached(let stripe, let epoch): Self.write(stripe, epoch, into: &json)
        case .orphaned(let stripe, let epoch, let reason):
            Self.write(stripe, epoch, into: &json)
            json.name(Field.reason)
            json.string(Text(reason.text))
        case .promoted(let stripe, let epoch, let reason, let standby):
            Self.write(stripe, epoch, into: &json)
            json.name(Field.reason)
            json.string(Text(reason.text))
            json.name(Field.standby)
            json.string(standby)
        case .childLost(let id, let reason):
            json.name(Field.id)
            json.string(id)
            json.name(Field.reason)
            json.string(Text(reason.text))
        case .status(let report): report.write(into: &json)
        case .pulse(let frame):
            json.name(Field.frame)
            json.string(frame)
        case .leave, .iceServers: break
        }
    }

    /// Native ends announce themselves with their descriptions. An original server passes that on as well: native peers
    /// find each other there too.
    private static func write(
        _ signal: ServerEvent.Signal,
        isNative: Bool,
        _ session: Text,
        _ target: Text,
        into json: inout JSONWriter
    ) {
        json.name(Field.signal)
        json.object { signal.write(into: &$0) }
        json.name(Field.metadata)
        if isNative, signal.isDescription {
            json.object {
                $0.name(Field.extra)
                $0.object { $0.writeVersion() }
            }
        } else {
            json.raw("null")
        }
        write(session, target, into: &json)
    }

    private static func write(_ session: Text, _ target: Text, into json: inout JSONWriter) {
        json.name(Field.sessionID)
        json.string(session)
        json.name("target")
        json.string(target)
    }

    private static func write(_ stripe: UInt8, _ epoch: UInt32, into json: inout JSONWriter) {
        json.name(Field.stripe)
        json.integer(UInt64(stripe))
        json.name(Field.epoch)
        json.integer(UInt64(epoch))
    }
}

extension JSONWriter {
    fileprivate mutating func writeVersion() {
        name(SignallingField.version)
        integer(UInt64(SignallingVersion.current))
    }
}

extension ServerEvent.Signal {
    /// Whether it is a session description.
    var isDescription: Bool {
        switch self {
        case .offer, .answer: true
        case .candidate, .renegotiate: false
        }
    }

    fileprivate func write(into json: inout JSONWriter) {
        switch self {
        case .offer(let sdp): Self.write("offer", sdp, into: &json)
        case .answer(let sdp): Self.write("answer", sdp, into: &json)
        case .candidate(let candidate):
            json.name(SignallingField.candidate)
            json.raw(candidate)
        case .renegotiate:
            json.name(SignallingField.renegotiate)
            json.raw("true")
        }
    }

    private static func write(_ type: StaticString, _ sdp: Text, into json: inout JSONWriter) {
        json.name(SignallingField.type)
        json.string(Text(type))
        json.name(SignallingField.sdp)
        json.string(sdp)
    }
}

extension DiscoverRequest {
    fileprivate func write(into json: inout JSONWriter) {
        if let treeID {
            json.name(SignallingField.treeID)
            json.string(treeID)
        } else {
            json.name("createNew")
            json.raw("true")
        }
        guard isNative else { return }
        json.name(SignallingField.extra)
        json.object { writeAdditions(into: &$0) }
    }

    private func writeAdditions(into json: inout JSONWriter) {
        json.writeVersion()
        json.name("agent")
        json.string(agent)
        if let stripes {
            json.name(SignallingField.stripes)
            json.integer(UInt64(stripes))
        }
        if parity > 0 {
            json.name(SignallingField.parity)
            json.integer(UInt64(parity))
        }
        if isEncrypted {
            json.name("encrypted")
            json.raw("true")
        }
        if let capacity {
            json.name("capacity")
            json.integer(UInt64(capacity))
        }
        writeProof(into: &json)
        guard let resumeToken else { return }
        json.name(SignallingField.resume)
        json.string(resumeToken)
        json.name("place")
        json.object {
            writePlaces(.parent, SignallingField.parents, into: &$0)
            writePlaces(.child, SignallingField.children, into: &$0)
        }
    }

    private func writeProof(into json: inout JSONWriter) {
        guard let key else { return }
        json.name(SignallingField.key)
        json.string(Text(hexadecimal: key.bytes))
        guard let proof else { return }
        json.name("proof")
        json.string(Text(hexadecimal: proof.bytes))
        json.name("host")
        json.string(host ?? .empty)
    }

    private func writePlaces(_ role: NeighbourRole, _ name: StaticString, into json: inout JSONWriter) {
        json.name(name)
        json.array {
            for place in place where place.role == role { $0.object { place.write(into: &$0) } }
        }
    }
}

extension DiscoverRequest.NamedPlace {
    fileprivate func write(into json: inout JSONWriter) {
        json.name(SignallingField.stripe)
        json.integer(UInt64(stripe))
        json.name(SignallingField.id)
        json.string(id)
        json.name("session")
        json.string(session)
        guard role == .parent else { return }
        json.name(SignallingField.epoch)
        json.integer(UInt64(epoch))
    }
}

extension StatusReport {
    fileprivate func write(into json: inout JSONWriter) {
        json.name("rate")
        json.integer(rate)
        json.name(SignallingField.children)
        json.integer(UInt64(children))
        if let lag {
            json.name("lag")
            json.tenths(lag)
        }
        if let roundTrip {
            json.name("roundTrip")
            json.tenths(roundTrip)
        }
        json.name(SignallingField.depth)
        json.integer(UInt64(depth))
    }
}
