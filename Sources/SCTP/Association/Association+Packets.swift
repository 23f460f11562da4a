public import NIOCore

// Packets in and packets out.
extension Association {
    /// Takes a packet. Its bytes are only borrowed for the call.
    public func handle(packet: UnsafeRawBufferPointer, at now: NIODeadline) {
        self.now = now
        guard let header = CommonHeader(packet) else { return }
        guard header.sourcePort == self.configuration.remotePort,
            header.destinationPort == self.configuration.localPort
        else { return }
        guard self.configuration.isIntegrityProtected || header.checksum == self.configuration.checksum(packet) else {
            return
        }
        var reader = ChunkReader(packet)
        guard let first = reader.next() else { return }
        guard self.state != .ended else { return self.handleLate(first, tag: header.verificationTag) }
        switch first.type {
        case ChunkType.initiation:
            // Alone, and without a tag (section 8.5.1, rule A).
            guard header.verificationTag == 0, reader.isAtEnd else { return }
            return self.handle(initiation: first)
        case ChunkType.cookieEcho:
            guard self.handle(cookieEcho: first, verificationTag: header.verificationTag) else { return }
        default:
            guard self.isOwn(header, first) else { return }
            guard self.dispatch(first) else { return }
        }
        while self.state != .ended, let chunk = reader.next() {
            guard self.dispatch(chunk) else { break }
        }
        self.endPacket()
    }

    /// What comes after the end: a SHUTDOWN ACK whose answer was lost is answered again (section 8.4, rule 5).
    private func handleLate(_ chunk: Chunk, tag: UInt32) {
        guard chunk.type == ChunkType.shutdownAcknowledgement, tag == self.local.tag else { return }
        self.reply(tag: tag) {
            $0.beginChunk(ChunkType.shutdownComplete, flags: 1)
            $0.endChunk()
        }
    }

    /// Whether a packet carries the tag it has to (section 8.5).
    private func isOwn(_ header: CommonHeader, _ first: Chunk) -> Bool {
        let isReflected = first.flags & 1 != 0
        switch first.type {
        case ChunkType.abort where isReflected, ChunkType.shutdownComplete where isReflected:
            return self.remote.map { $0.tag == header.verificationTag } ?? false
        default:
            return self.state != .closed && header.verificationTag == self.local.tag
        }
    }

    /// Takes one chunk. False when nothing that follows it is to be looked at.
    private func dispatch(_ chunk: Chunk) -> Bool {
        switch chunk.type {
        case ChunkType.data, ChunkType.interleavedData: return self.handle(data: chunk)
        case ChunkType.selectiveAcknowledgement:
            if let sack = SelectiveAcknowledgement(chunk) { self.acknowledge(sack) }
        case ChunkType.initiationAcknowledgement: self.handle(initiationAcknowledgement: chunk)
        case ChunkType.cookieAcknowledgement: self.handleCookieAcknowledgement()
        case ChunkType.initiation, ChunkType.cookieEcho: return false
        case ChunkType.heartbeat: self.handle(heartbeat: chunk)
        case ChunkType.heartbeatAcknowledgement: self.handle(heartbeatAcknowledgement: chunk)
        case ChunkType.abort: self.end(.abortedByPeer(ErrorCauses.description(chunk.value)), abort: nil)
        case ChunkType.error:
            if ErrorCauses.contains(.staleCookie, chunk.value) { self.handleStaleCookie() }
        case ChunkType.forwardTSN, ChunkType.interleavedForwardTSN: self.handle(forward: chunk)
        case ChunkType.reconfiguration: self.handle(reconfiguration: chunk)
        case ChunkType.shutdown: self.handle(shutdown: chunk)
        case ChunkType.shutdownAcknowledgement: self.handleShutdownAcknowledgement()
        case ChunkType.shutdownComplete: self.handleShutdownComplete()
        case ChunkType.padding: break
        default: return self.handle(unknown: chunk)
        }
        return true
    }

    /// The two highest bits of a type say what to do with what one does not know (section 3.2).
    private func handle(unknown chunk: Chunk) -> Bool {
        if chunk.type & 0x40 != 0, let remote, chunk.bytes.count <= 256, self.sender != nil {
            let bytes = Array(chunk.bytes)
            self.reply(tag: remote.tag) { ErrorCauses.write(.unrecognizedChunk, bytes, in: ChunkType.error, into: &$0) }
        }
        return chunk.type & 0x80 != 0
    }

    private var takesData: Bool {
        switch self.state {
        case .established, .shutdownPending, .shutdownSent: true
        default: false
        }
    }

    private func handle(data chunk: Chunk) -> Bool {
        guard self.takesData, let isInterleaving = self.receiver?.isInterleaving else { return true }
        guard isInterleaving == (chunk.type == ChunkType.interleavedData) else {
            // RFC 8260 section 2.2.1.
            self.fail(isInterleaving ? "DATA where I-DATA was agreed on" : "I-DATA that was not agreed on")
            return false
        }
        guard let (header, payload) = DataChunk.parse(chunk) else { return true }
        guard !payload.isEmpty else {
            // Section 6.2: no user data.
            self.end(.protocolViolation("a DATA chunk is empty"), abort: .noUserData)
            return false
        }
        do throws(ProtocolViolation) {
            let outcome = try self.receiver?.receive(
                header,
                payload,
                mayDeliver: { self.reconfiguration?.isBeforeReset($0, stream: header.stream) ?? true },
                at: self.now
            )
            self.teardown.hasData = true
            if outcome == .invalidStream, let remote {
                let cause: [UInt8] = [UInt8(header.stream >> 8), UInt8(header.stream & 0xFF), 0, 0]
                self.reply(tag: remote.tag) { ErrorCauses.write(.invalidStream, cause, in: ChunkType.error, into: &$0) }
            }
        } catch {
            self.fail(error.reason)
            return false
        }
        return true
    }

    func acknowledge(_ sack: SelectiveAcknowledgement) {
        guard self.sender != nil else { return }
        do throws(ProtocolViolation) {
            try self.sender?.acknowledge(sack, at: self.now)
        } catch {
            return self.fail(error.reason)
        }
        if let cumulative = self.sender?.chunks.cumulative { self.reconfiguration?.acknowledged(to: cumulative) }
        self.proceedShutdown()
    }

    private func handle(forward chunk: Chunk) {
        guard self.takesData, let isInterleaving = self.receiver?.isInterleaving else { return }
        guard isInterleaving == (chunk.type == ChunkType.interleavedForwardTSN) else {
            return self.fail("a FORWARD-TSN of the kind that was not agreed on")
        }
        self.receiver?.forward(chunk)
    }

    private func handle(reconfiguration chunk: Chunk) {
        guard let cumulative = self.receiver?.numbers.cumulative else { return }
        guard let changes = self.reconfiguration?.handle(chunk, cumulative: cumulative) else { return }
        self.endResets(changes.performed, arePerformed: true)
        if !changes.performed.isEmpty { self.notify(.outgoingReset(changes.performed)) }
        self.endResets(changes.failed, arePerformed: false)
        if !changes.failed.isEmpty { self.notify(.resetFailed(changes.failed)) }
        if let incoming = changes.incoming { self.resetIncoming(incoming) }
    }

    private func endResets(_ streams: [UInt16], arePerformed: Bool) {
        for stream in streams {
            guard let index = self.sender?.streams.existing(stream) else { continue }
            let isAgain = self.sender?.streams.endReset(index, isPerformed: arePerformed) ?? false
            if isAgain { self.reconfiguration?.want([stream]) }
        }
    }

    private func resetIncoming(_ streams: [UInt16]) {
        self.receiver?.streams.reset(streams)
        self.notify(.incomingReset(streams))
    }

    /// All of a packet has been taken.
    private func endPacket() {
        if self.teardown.hasData {
            self.teardown.hasData = false
            self.receiver?.endPacket(at: self.now)
            // Section 9.2: whoever has sent SHUTDOWN answers data with another.
            if self.state == .shutdownSent { self.teardown.isDue = true }
        }
        self.heartbeat.heard(self.configuration, at: self.now)
        guard let cumulative = self.receiver?.numbers.cumulative else { return }
        if let streams = self.reconfiguration?.received(to: cumulative) { self.resetIncoming(streams) }
    }

    // MARK: - Time

    /// Does what is due. Early calls do no harm.
    public func handleTimeout(at now: NIODeadline) {
        self.now = now
        guard self.state != .ended else { return }
        self.handleHandshakeTimeout()
        self.receiver?.acknowledgements.handleTimeout(at: now)
        self.reconfiguration?.handleTimeout(at: now)
        self.handleTeardownTimeout()
        self.handleHeartbeatTimeout()
        if self.sender?.handleTimeout(at: now) == false { self.end(.timedOut, abort: nil) }
    }

    // MARK: - Packets out

    /// Writes the next packet into memory of the caller's; nil when there is none to send now.
    ///
    /// - Parameter memory: at least `maximumPacketSize` bytes.
    /// - Returns: the packet's length in bytes.
    public func nextPacket(into memory: UnsafeMutableRawBufferPointer, at now: NIODeadline) -> Int? {
        self.now = now
        let size = min(memory.count, self.configuration.maximumPacketSize)
        var writer = PacketWriter(UnsafeMutableRawBufferPointer(rebasing: memory[..<size]))
        if let reply = self.replies.popFirst() {
            writer.write(reply)
            return writer.count
        }
        switch self.state {
        case .closed, .ended: return nil
        case .cookieWait, .cookieEchoed: self.writeHandshake(into: &writer)
        default: self.writeBundle(into: &writer)
        }
        return writer.isEmpty ? nil : writer.count
    }

    /// Control chunks first (section 6.10).
    private func writeBundle(into writer: inout PacketWriter) {
        guard let remote else { return }
        writer.write(self.header(tag: remote.tag))
        if self.handshake.isCookieAcknowledgementDue {
            self.handshake.isCookieAcknowledgementDue = false
            writer.beginChunk(ChunkType.cookieAcknowledgement)
            writer.endChunk()
        }
        self.writeAcknowledgement(into: &writer)
        self.sender?.writeForward(into: &writer, at: self.now)
        if let sender = self.sender {
            self.reconfiguration?.prepare(sender)
            if self.reconfiguration?.isDue == true {
                self.reconfiguration?.write(into: &writer, timeout: sender.estimator.timeout, at: self.now)
            }
        }
        self.writeHeartbeats(into: &writer)
        self.writeTeardown(into: &writer)
        if self.maySendData { self.sender?.write(into: &writer, at: self.now) }
        guard !writer.isEmpty else { return }
        let isProtected = self.configuration.isIntegrityProtected && remote.capabilities.contains(.zeroChecksum)
        if !isProtected { writer.seal(self.configuration.checksum) }
    }

    private var maySendData: Bool {
        switch self.state {
        case .established, .shutdownPending, .shutdownReceived: true
        default: false
        }
    }

    /// A SACK that is due, or that data can take along.
    private func writeAcknowledgement(into writer: inout PacketWriter) {
        guard let policy = self.receiver?.acknowledgements else { return }
        guard policy.isDue || (policy.packets > 0 && self.maySendData && self.sender?.isReady(at: self.now) == true)
        else {
            return
        }
        self.receiver?.writeAcknowledgement(into: &writer)
    }

    func header(tag: UInt32) -> CommonHeader {
        CommonHeader(
            sourcePort: self.configuration.localPort,
            destinationPort: self.configuration.remotePort,
            verificationTag: tag
        )
    }

    /// Queues a packet that answers another.
    func reply(tag: UInt32, _ body: (inout PacketWriter) -> Void) {
        guard self.replies.count < Self.maximumReplies else { return }
        let packet = [UInt8](unsafeUninitializedCapacity: self.configuration.maximumPacketSize) { buffer, count in
            var writer = PacketWriter(UnsafeMutableRawBufferPointer(buffer))
            writer.write(self.header(tag: tag))
            body(&writer)
            writer.seal(self.configuration.checksum)
            count = writer.count
        }
        self.replies.append(packet)
    }
}
