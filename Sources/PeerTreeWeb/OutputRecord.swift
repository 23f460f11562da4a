#if canImport(PeerTreeCore)
import PeerTreeCore
#endif

// How the JavaScript side reads what the client wants done: a number for the kind, and its values one after the other.
// `Web/src/machine.js` is the reader.

/// The place in linear memory where one output lies until the next one is asked for.
struct OutputRecord {
    /// Room for the values of any output but its parts.
    static let capacity = 32

    let values: UnsafeMutablePointer<Double>
    private(set) var count = 0
    /// The texts of an output, or what its frame or message consists of, and for each: frame, offset, length.
    private(set) var parts: [UInt32] = []
    /// Keeps the frames of the output alive until the next one is asked for.
    private var frames: [HandleBuffer] = []

    init() {
        values = .allocate(capacity: Self.capacity)
    }

    mutating func put(_ value: Double) {
        guard count < Self.capacity else { return }
        values[count] = value
        count += 1
    }

    mutating func clear() {
        count = 0
        parts.removeAll(keepingCapacity: true)
        frames.removeAll(keepingCapacity: true)
    }

    /// Writes bytes down that somebody asked for.
    mutating func write(_ bytes: [UInt8]) {
        clear()
        put(part: HandleBuffer(bytes: bytes))
    }

    /// Writes an output down.
    mutating func write(_ output: ClientOutput<HandleBuffer>) -> Output {
        clear()
        switch output {
        case .emit(let event): return write(.emit, texts: Text(event.name.text), event.payload)
        case .reconnectServer: return .reconnectServer
        case .disconnectServer: return .disconnectServer
        case .connect(let link, let servers): return write(.connect, link, texts: servers)
        case .accept(let link, let offer, let servers): return write(.accept, link, texts: offer, servers)
        case .restart(let link): return write(.restart, link)
        case .takeAnswer(let link, let sdp): return write(.takeAnswer, link, texts: sdp)
        case .answer(let link, let offer): return write(.answer, link, texts: offer)
        case .addCandidate(let link, let candidate): return write(.addCandidate, link, texts: candidate)
        case .send(let link, let frame):
            put(part: frame)
            return write(.send, link)
        case .sendMessage(let link, let message):
            put(Double(link.rawValue))
            return write(.sendMessage, message)
        case .setLowThreshold(let link, let bytes): return write(.setLowThreshold, link, Double(bytes))
        case .askBuffered(let link): return write(.askBuffered, link)
        case .askRoundTrip(let link): return write(.askRoundTrip, link)
        case .closeChannel(let link): return write(.closeChannel, link)
        case .closeConnection(let link): return write(.closeConnection, link)
        case .entered(let tree, let id): return write(.entered, texts: tree, id)
        case .renamed(let id): return write(.renamed, texts: id)
        case .entryFailed(let failure): return write(failure)
        case .connected: return .connected
        case .upstream(let id): return write(.upstream, texts: id)
        case .downstream(let id): return write(.downstream, texts: id)
        case .neighbourGone(let id, let role):
            put(role == .parent ? 0 : 1)
            return write(.neighbourGone, texts: id)
        case .deliver(let message): return write(.deliver, message)
        case .gap(let gap): return write(gap)
        case .writable: return .writable
        case .sign(let thing, let statement): return write(.sign, thing, statement)
        case .verify(let ticket, let statement, let signature):
            put(Double(ticket))
            return write(.verify, texts: Text(statement), Text(signature.bytes))
        case .seal(let seal, let payload): return write(.seal, seal, [payload])
        case .open(let seal, let parts): return write(.open, seal, parts)
        case .unreadable(let reason): return write(.unreadable, texts: Text(reason.code))
        case .ended(let end): return write(.ended, texts: end == .complete ? "complete" : "source-lost")
        case .subtreeComplete: return .subtreeComplete
        case .serverLost: return .serverLost
        case .serverBack: return .serverBack
        case .serverGoingAway: return .serverGoingAway
        case .refused(let code, let message): return write(.refused, texts: code, message)
        case .tree(let summary): return write(.tree, texts: summary)
        case .status(let report): return write(report)
        case .left: return .left
        }
    }

    private mutating func write(_ kind: Output, texts: Text?...) -> Output {
        for text in texts { put(text: text) }
        return kind
    }

    private mutating func write(_ kind: Output, _ link: LinkID, _ value: Double? = nil, texts: Text?...) -> Output {
        put(Double(link.rawValue))
        if let value { put(value) }
        for text in texts { put(text: text) }
        return kind
    }

    private mutating func write(_ kind: Output, _ message: Message<HandleBuffer>) -> Output {
        put(Double(message.sequence))
        put(Double(message.lastSequence))
        put(Double(message.timestamp))
        put(message.isText ? 1 : 0)
        put(message.isJoinPoint ? 1 : 0)
        put(message.retainedKey.map { Double($0) } ?? -1)
        put(message.isEncrypted ? 1 : 0)
        for part in message.parts { put(part: part) }
        return kind
    }

    private mutating func write(_ kind: Output, _ thing: SignedThing, _ statement: [UInt8]) -> Output {
        put(thing.record.kind)
        put(thing.record.number)
        return write(kind, texts: Text(statement))
    }

    private mutating func write(_ kind: Output, _ seal: MessageSeal, _ payload: [HandleBuffer]) -> Output {
        for bytes in [seal.streamID, seal.nonce, seal.authenticated] { put(part: HandleBuffer(bytes: bytes)) }
        for part in payload { put(part: part) }
        return kind
    }

    private mutating func write(_ gap: Gap) -> Output {
        put(gap.isSkip ? 1 : 0)
        if let range = gap.range {
            put(Double(range.start))
            put(Double(range.end))
        }
        return .gap
    }

    private mutating func write(_ report: StatusReport) -> Output {
        put(Double(report.rate))
        put(Double(report.children))
        put(report.lag.map { Double($0) / 10 } ?? -1)
        put(report.roundTrip.map { Double($0) / 10 } ?? -1)
        return .status
    }

    /// The code by which applications know it, and what the server or the host said of it.
    private mutating func write(_ failure: EntryFailure) -> Output {
        switch failure {
        case .unknownTree: write(.entryFailed, texts: "unknown-tree")
        case .refused(let code, let message): write(.entryFailed, texts: code, message)
        case .timeout: write(.entryFailed, texts: "server-timeout")
        case .unreachable(let reason): write(.entryFailed, texts: "server-unreachable", reason)
        case .alreadyInTree: write(.entryFailed, texts: "already-in-tree")
        case .closed: write(.entryFailed, texts: "closed")
        case .unproven: write(.entryFailed, texts: "unproven-tree")
        }
    }

    /// A text that is not there is the frame 0.
    private mutating func put(text: Text?) {
        if let text { put(part: HandleBuffer(bytes: text.bytes)) } else { parts += [0, 0, 0] }
    }

    private mutating func put(part: HandleBuffer) {
        frames.append(part)
        parts.append(part.frame.number)
        parts.append(UInt32(clamping: part.offset))
        parts.append(UInt32(clamping: part.count))
    }
}
