import NIOCore

// The DTLS handshake, which may take more than one attempt: until the peer's certificate has been seen, whoever can send
// from the peer's address can break one.
extension PeerConnection {
    func startDTLS() {
        guard self.handshake.dtls == nil, !self.handshake.isPaused, let role = self.negotiation.dtlsRole,
            let remote = self.negotiation.remote, !self.isOver
        else {
            return
        }
        do throws(DTLSError) {
            let trip = self.ice.agent.selected?.roundTripTime ?? .nanoseconds(0)
            let session = try DTLSSession(
                context: self.transport.dtls,
                role: role,
                fingerprints: remote.fingerprints,
                mtu: self.transport.configuration.maximumDatagramSize,
                patience: max(.milliseconds(300), trip * 3),
                staleRandoms: self.handshake.staleRandoms
            ) { [unowned self] datagram in self.sendDTLS(datagram) }
            self.handshake.dtls = session
            self.handshake.hasSentFlight = false
            if role == .client { session.start() }
        } catch {
            return self.finish(.failed, reason: error.description)
        }
        let early = self.handshake.earlyDatagrams
        self.handshake.earlyDatagrams = []
        for datagram in early { datagram.withUnsafeBytes { _ = self.receiveDTLS($0) } }
        self.work.hasControlWork = true
        self.transport.markDirty(self)
    }

    private func sendDTLS(_ datagram: UnsafeRawBufferPointer) {
        guard let destination = self.ice.destination else { return }
        if self.handshake.dtls?.state == .handshaking {
            // A client that waits for the first flight will find the next attempt, unless it is told to give up.
            let isAlert = datagram.first == 21
            if isAlert, self.negotiation.dtlsRole == .server, !self.handshake.hasSentFlight, self.mayRestartHandshake {
                return
            }
            self.handshake.hasSentFlight = true
        }
        guard destination.isProved || self.ice.destination?.admits(datagram) == true else { return }
        self.send(datagram, to: destination)
    }

    /// Sends what had to wait until the peer had shown that it is where it says.
    func sendHeld(_ datagrams: [[UInt8]]) {
        guard let destination = self.ice.destination, !datagrams.isEmpty else { return }
        for datagram in datagrams { datagram.withUnsafeBytes { self.send($0, to: destination) } }
    }

    private func send(_ datagram: UnsafeRawBufferPointer, to destination: DTLSDestination) {
        self.traffic.sentDatagrams &+= 1
        self.transport.send(datagram, to: destination.address, base: destination.base)
    }

    func advanceDTLS() {
        guard let dtls = self.handshake.dtls else { return }
        switch dtls.state {
        case .handshaking:
            if dtls.isOvertaken(at: .now()) { self.restartHandshake(reason: "the peer began anew") }
        case .connected:
            self.handshake.deadline = nil
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
    var heldAlert: String {
        self.handshake.dtls?.heldAlert.map { ", and alert \($0) came from the peer's address" } ?? ""
    }

    private var mayRestartHandshake: Bool {
        self.handshake.restarts < self.transport.configuration.maximumHandshakeRestarts
    }

    /// Another attempt in place of one that broke: at once the first time, then after longer and longer pauses.
    private func restartHandshake(reason: String) {
        guard self.mayRestartHandshake else {
            return self.finish(.failed, reason: "DTLS: \(reason)\(self.heldAlert)")
        }
        let number = self.handshake.restarts
        self.handshake.restarts += 1
        self.handshake.staleRandoms.formUnion(self.handshake.dtls?.peerRandoms ?? [])
        self.handshake.earlyDatagrams = self.handshake.dtls?.challenge.map { [$0] } ?? []
        self.handshake.dtls = nil
        guard number > 0 else { return self.startDTLS() }
        self.handshake.isPaused = true
        let pause = min(TimeAmount.milliseconds(50) * (1 << min(number - 1, 8)), .seconds(1))
        self.transport.eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
            guard let self else { return }
            self.handshake.isPaused = false
            self.startDTLS()
        }
    }
}
