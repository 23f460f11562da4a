import NIOCore
import SCTP

// The SCTP association over DTLS (RFC 8261): what drives it.
extension PeerConnection {
    var association: Association? { self.messaging.association }

    func startSCTP() {
        guard self.association == nil, self.isSecure, let remote = self.negotiation.remote, !self.isOver else { return }
        let configuration = self.transport.associationConfiguration(remotePort: remote.sctpPort)
        let association = Association(configuration, random: SystemRandomNumberGenerator())
        self.messaging.association = association
        self.messaging.alarm = Alarm(on: self.transport.eventLoop) { [weak self] in self?.associationTimerFired() }
        // Both sides do, and the two handshakes merge (RFC 8831 section 6.2).
        association.connect(at: .now())
        self.transport.markDirty(self)
    }

    /// Takes one packet, already decrypted.
    func receivePlaintext(_ packet: UnsafeRawBufferPointer) {
        // The association is made when the handshake ends, which may be in this very datagram.
        if self.association == nil { self.startSCTP() }
        guard let association else { return }
        association.handle(packet: packet, at: .now())
        if association.hasUrgentOutput { self.sendPackets() }
    }

    /// Encrypts what the association has to send. It leaves with the end of the tick.
    func sendPackets() {
        guard let association, let dtls = self.handshake.dtls else { return }
        let memory = self.transport.scratch.sent
        let now = NIODeadline.now()
        while let count = association.nextPacket(into: memory, at: now) {
            let packet = UnsafeRawBufferPointer(rebasing: memory[..<count])
            self.messaging.tap?(packet)
            if dtls.write(packet) { self.traffic.sentBytes &+= UInt64(count) }
        }
    }

    func resumeReading() {
        if !self.isOver { self.transport.markDirty(self) }
    }

    func drainAssociation() {
        while !self.isOver, self.readingPauses == 0, let event = self.association?.nextEvent() {
            switch event {
            case .connected(let streams, _):
                self.streams.outgoingStreams = streams
                self.streams.hasUnopened = true
            case .message(let stream, let protocolIdentifier, let message):
                self.receive(message, ppid: protocolIdentifier, stream: stream)
            case .incomingReset(let streams):
                self.peerClosed(streams)
            case .outgoingReset(let streams):
                for stream in streams { self.streams.resets.outgoingDone(stream) }
            case .resetFailed(let streams):
                self.streams.resets.failed(streams)
            case .closed(let end):
                self.finish(.closed, reason: "SCTP: \(end)")
            }
        }
    }

    // MARK: - Time

    func followAssociation() {
        // One that is no longer needed rings once for nothing: an exchange of messages would cancel it with each.
        if let deadline = self.association?.deadline { self.messaging.alarm?.follow(deadline) }
    }

    private func associationTimerFired() {
        guard !self.isOver, let due = self.association?.deadline else { return }
        let now = NIODeadline.now()
        guard due <= now else { return self.followAssociation() }
        self.association?.handleTimeout(at: now)
        self.transport.markDirty(self)
    }

    // MARK: - The end

    /// Sends what the windows let out, and tells the peer that there is no more.
    func endAssociation(_ reason: String) {
        guard let association else { return }
        // Nothing is held back any more.
        association.pathRoundTrip = .zero
        self.sendPackets()
        association.abort(reason, at: .now())
        self.sendPackets()
        self.messaging.alarm?.cancel()
        self.messaging = Messaging()
    }
}
