import NIOCore

// The DTLS handshake, which may take more than one attempt: until the peer's certificate has been seen, whoever can send
// from the peer's address can break one.
extension PeerConnection {
    func startDTLS() {
        guard self.dtls == nil, !self.isHandshakePaused, let role = self.dtlsRole, let remote, !self.isOver else {
            return
        }
        do throws(DTLSError) {
            let trip = self.agent.selected?.roundTripTime ?? .nanoseconds(0)
            let session = try DTLSSession(
                context: self.transport.dtls,
                role: role,
                fingerprints: remote.fingerprints,
                mtu: self.transport.configuration.maximumDatagramSize,
                patience: max(.milliseconds(300), trip * 3),
                staleRandoms: self.staleRandoms
            ) { [unowned self] datagram in self.sendDTLS(datagram) }
            self.dtls = session
            self.hasSentFlight = false
            if role == .client { session.start() }
        } catch {
            return self.finish(.failed, reason: error.description)
        }
        let early = self.earlyDatagrams
        self.earlyDatagrams = []
        for datagram in early { datagram.withUnsafeBytes { _ = self.receiveDTLS($0) } }
        self.hasControlWork = true
        self.transport.markDirty(self)
    }

    private func sendDTLS(_ datagram: UnsafeRawBufferPointer) {
        guard let destination else { return }
        if self.dtls?.state == .handshaking {
            // A client that waits for the first flight will find the next attempt, unless it is told to give up.
            let isAlert = datagram.first == 21
            if isAlert, self.dtlsRole == .server, !self.hasSentFlight, self.mayRestartHandshake { return }
            self.hasSentFlight = true
        }
        self.traffic.sentDatagrams &+= 1
        self.transport.send(datagram, to: destination.address, base: destination.base)
    }

    func advanceDTLS() {
        guard let dtls else { return }
        switch dtls.state {
        case .handshaking:
            if dtls.isOvertaken(at: .now()) { self.restartHandshake(reason: "the peer began anew") }
        case .connected:
            self.handshakeDeadline = nil
            self.startSCTP()
            if self.connectionState == .connecting { self.move(to: .connected) }
        case .closed:
            self.drainAssociation()
            self.finish(.closed, reason: "closed by the peer")
        case .failed(let reason):
            if dtls.isBroken { return self.restartHandshake(reason: reason) }
            self.finish(.failed, reason: "DTLS: \(reason)")
        }
    }

    /// What a handshake that came to nothing was told by the peer, or by somebody in its place.
    var heldAlert: String { self.dtls?.heldAlert.map { ", and alert \($0) came from the peer's address" } ?? "" }

    private var mayRestartHandshake: Bool {
        self.handshakeRestarts < self.transport.configuration.maximumHandshakeRestarts
    }

    /// Another attempt in place of one that broke: at once the first time, then after longer and longer pauses.
    private func restartHandshake(reason: String) {
        guard self.mayRestartHandshake else {
            return self.finish(.failed, reason: "DTLS: \(reason)\(self.heldAlert)")
        }
        let number = self.handshakeRestarts
        self.handshakeRestarts += 1
        self.staleRandoms.formUnion(self.dtls?.peerRandoms ?? [])
        self.earlyDatagrams = self.dtls?.challenge.map { [$0] } ?? []
        self.dtls = nil
        guard number > 0 else { return self.startDTLS() }
        self.isHandshakePaused = true
        let pause = min(TimeAmount.milliseconds(50) * (1 << min(number - 1, 8)), .seconds(1))
        self.transport.eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
            guard let self else { return }
            self.isHandshakePaused = false
            self.startDTLS()
        }
    }
}
