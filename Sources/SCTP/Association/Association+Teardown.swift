public import NIOCore

/// The way out (RFC 9260 section 9).
struct Teardown {
    /// SHUTDOWN or SHUTDOWN ACK is to be sent.
    var isDue = false
    /// T2-shutdown.
    var deadline: NIODeadline?
    var timeouts = 0
    /// The packet under way has brought data.
    var hasData = false

    /// Where nobody else counts time-outs, a shutdown that is not answered ends all the same (section 9.2, T5).
    static let maximumTimeouts = 10
}

/// Whether the other side is still there (RFC 9260 section 8.3).
struct Heartbeat {
    var deadline: NIODeadline?
    /// What the one under way carries.
    var nonce: UInt64?
    var isDue = false
    var misses = 0
    /// Information of the other side's heartbeats, to be sent back.
    var answers: [[UInt8]] = []

    static let maximumAnswers = 4
    static let maximumInformation = 512

    mutating func schedule(_ configuration: AssociationConfiguration, at now: NIODeadline) {
        self.deadline = configuration.heartbeatInterval.map { now + $0 }
    }

    /// Something came: the other side is there.
    mutating func heard(_ configuration: AssociationConfiguration, at now: NIODeadline) {
        guard self.deadline != nil else { return }
        self.nonce = nil
        self.misses = 0
        self.schedule(configuration, at: now)
    }
}

extension Association {
    /// Ends the association in order: once all that was sent has arrived. `closed(.shutDown)` follows.
    public func shutDown(at now: NIODeadline) {
        self.now = now
        switch self.state {
        case .established:
            self.state = .shutdownPending
            self.proceedShutdown()
        case .closed, .cookieWait, .cookieEchoed: self.end(.shutDown, abort: nil)
        default: break
        }
    }

    /// Ends the association at once, and tells the other side why. `closed(.aborted)` follows.
    public func abort(_ reason: String, at now: NIODeadline) {
        self.now = now
        guard self.state != .ended else { return }
        self.end(.aborted(reason), abort: .userAbort)
    }

    /// The other side broke the rules (section 3.3.10.13).
    func fail(_ reason: String) {
        self.end(.protocolViolation(reason), abort: .protocolViolation)
    }

    /// The end, once.
    func end(_ end: AssociationEnd, abort cause: ErrorCauses.Cause?) {
        guard self.state != .ended else { return }
        if let cause, let remote {
            var text = ""
            switch end {
            case .aborted(let reason), .protocolViolation(let reason): text = reason
            default: break
            }
            self.replyAbort(tag: remote.tag, cause: cause, text)
        }
        self.state = .ended
        self.notify(.closed(end))
        self.sender = nil
        self.reconfiguration = nil
        self.early = []
        self.receiver?.close()
        self.receiver?.acknowledgements.didAcknowledge()
        self.handshake.deadline = nil
        self.teardown.deadline = nil
        self.heartbeat.deadline = nil
    }

    func replyAbort(tag: UInt32, cause: ErrorCauses.Cause, _ text: String) {
        self.reply(tag: tag) { ErrorCauses.write(cause, Array(text.utf8), in: ChunkType.abort, into: &$0) }
    }

    func replyStaleCookie(tag: UInt32, excess: UInt64) {
        let microseconds = UInt32(clamping: excess / 1_000)
        self.reply(tag: tag) { writer in
            ErrorCauses.write(
                .staleCookie,
                withUnsafeBytes(of: microseconds.bigEndian, Array.init),
                in: ChunkType.error,
                into: &writer
            )
        }
    }

    // MARK: - Shutdown

    /// Goes on when nothing is outstanding any more.
    func proceedShutdown() {
        guard self.sender?.isDone == true else { return }
        switch self.state {
        case .shutdownPending:
            self.state = .shutdownSent
            self.teardown.isDue = true
        case .shutdownReceived:
            self.state = .shutdownAckSent
            self.teardown.isDue = true
        default: break
        }
    }

    func handle(shutdown chunk: Chunk) {
        guard chunk.bytes.count >= 8, let window = self.sender?.peer.window else { return }
        switch self.state {
        case .established, .shutdownPending:
            self.state = .shutdownReceived
        case .shutdownSent:
            self.state = .shutdownAckSent
            self.teardown.isDue = true
            return
        case .shutdownReceived: break
        default: return
        }
        self.acknowledge(SelectiveAcknowledgement(cumulative: chunk.bytes.number(at: 4), window: window))
        self.proceedShutdown()
    }

    func handleShutdownAcknowledgement() {
        switch self.state {
        case .shutdownSent, .shutdownAckSent:
            if let remote {
                self.reply(tag: remote.tag) {
                    $0.beginChunk(ChunkType.shutdownComplete)
                    $0.endChunk()
                }
            }
            self.end(.shutDown, abort: nil)
        default: break
        }
    }

    func handleShutdownComplete() {
        if self.state == .shutdownAckSent { self.end(.shutDown, abort: nil) }
    }

    func writeTeardown(into writer: inout PacketWriter) {
        guard self.teardown.isDue, writer.room >= 8, let sender = self.sender else { return }
        switch self.state {
        case .shutdownSent:
            writer.beginChunk(ChunkType.shutdown)
            writer.write(UInt32(truncatingIfNeeded: self.receiver?.numbers.cumulative ?? 0))
            writer.endChunk()
        case .shutdownAckSent:
            writer.beginChunk(ChunkType.shutdownAcknowledgement)
            writer.endChunk()
        default: return
        }
        self.teardown.isDue = false
        self.teardown.deadline = self.now + sender.estimator.timeout * Int64(1 << min(self.teardown.timeouts, 4))
    }

    func handleTeardownTimeout() {
        guard let deadline = self.teardown.deadline, deadline <= self.now else { return }
        self.teardown.deadline = nil
        self.teardown.timeouts += 1
        if self.teardown.timeouts > min(Teardown.maximumTimeouts, self.configuration.maximumTimeouts ?? .max) {
            return self.end(.timedOut, abort: .userAbort)
        }
        self.teardown.isDue = true
    }

    // MARK: - Heartbeats

    func handle(heartbeat chunk: Chunk) {
        guard self.heartbeat.answers.count < Heartbeat.maximumAnswers else { return }
        guard chunk.value.count <= Heartbeat.maximumInformation else { return }
        self.heartbeat.answers.append(Array(chunk.value))
    }

    func handle(heartbeatAcknowledgement chunk: Chunk) {
        guard chunk.bytes.count >= 16, let nonce = self.heartbeat.nonce else { return }
        guard chunk.bytes.number(at: 8) as UInt64 == nonce else { return }
        self.heartbeat.heard(self.configuration, at: self.now)
    }

    func handleHeartbeatTimeout() {
        guard let deadline = self.heartbeat.deadline, deadline <= self.now else { return }
        if self.heartbeat.nonce != nil {
            self.heartbeat.misses += 1
            if let limit = self.configuration.maximumTimeouts, self.heartbeat.misses > limit {
                return self.end(.timedOut, abort: nil)
            }
        }
        self.heartbeat.nonce = self.random.next()
        self.heartbeat.isDue = true
        self.heartbeat.schedule(self.configuration, at: self.now)
    }

    func writeHeartbeats(into writer: inout PacketWriter) {
        while let information = self.heartbeat.answers.first, writer.room >= information.count + 8 {
            self.heartbeat.answers.removeFirst()
            writer.beginChunk(ChunkType.heartbeatAcknowledgement)
            writer.write(information)
            writer.endChunk()
        }
        guard self.heartbeat.isDue, let nonce = self.heartbeat.nonce, writer.room >= 16 else { return }
        self.heartbeat.isDue = false
        writer.beginChunk(ChunkType.heartbeat)
        writer.write(UInt16(1))
        writer.write(UInt16(12))
        writer.write(nonce)
        writer.endChunk()
    }
}
