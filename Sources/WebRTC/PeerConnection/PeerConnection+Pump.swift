import NIOCore

// What moves between the layers: datagrams in, drained outputs out, timers.
extension PeerConnection {
    private static let maximumEarlyDatagrams = 8
    private static let maximumRoutes = 32

    // MARK: - Receiving

    func receive(_ decoder: STUNDecoder, from source: TransportAddress, base: Int) {
        guard !self.isOver else { return }
        self.hasControlWork = true
        self.giveMessage(decoder, from: source, base: base)
        self.transport.markDirty(self)
        // At once and not at the end of the tick: DTLS may follow in the same read, and needs the route.
        self.drainAgent()
    }

    /// Takes a DTLS datagram. False when it was of no use: not for this session, forged, or too early and too much.
    func receiveDTLS(_ datagram: UnsafeRawBufferPointer) -> Bool {
        guard !self.isOver else { return false }
        guard let dtls else {
            guard !self.isHandshakePaused else { return false }
            // The peer is faster than its answer, or than our first check.
            guard self.earlyDatagrams.count < Self.maximumEarlyDatagrams, datagram.count <= 2048 else { return false }
            self.earlyDatagrams.append(Array(datagram))
            return true
        }
        let wasConnected = dtls.state == .connected
        guard wasConnected || dtls.state == .handshaking else { return false }
        dtls.receive(datagram)
        var received = false
        let scratch = self.transport.scratch
        while let count = dtls.read(into: scratch) {
            received = true
            self.traffic.receivedBytes &+= UInt64(count)
            self.receivePlaintext(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
        }
        guard received || !wasConnected || dtls.state != .connected else { return false }
        self.traffic.receivedDatagrams &+= 1
        self.transport.markDirty(self)
        return true
    }

    func receivePlaintext(_ packet: UnsafeRawBufferPointer) {
        // The association is made when the handshake ends, which may be in this very datagram.
        if self.association == nil { self.startSCTP() }
        self.association?.receive(packet)
    }

    // MARK: - Draining

    /// Drains everything that is pending in every layer, calls the application, arms the timer.
    func pump() {
        guard !self.isOver else { return }
        if self.hasControlWork { self.drainAgent() }
        self.advanceDTLS()
        self.drainAssociation()
        self.settleChannels()
        if self.hasControlWork {
            self.hasControlWork = self.dtls?.state == .handshaking
            self.scheduleTimer()
        }
    }

    func learnRoute(_ address: TransportAddress, base: Int) {
        if self.agent.selected == nil, self.previousAgent == nil { self.destination = (address, base) }
        guard !self.routes.contains(address) else { return }
        if self.routes.count >= Self.maximumRoutes {
            // A peer on the move leaves addresses behind: the oldest that is not in use gives way.
            guard let oldest = self.routes.firstIndex(where: { $0 != self.destination?.address }) else { return }
            self.transport.removeRoute(self.routes.remove(at: oldest), to: self)
        }
        self.routes.append(address)
        self.transport.addRoute(address, to: self)
    }

    // MARK: - Timers

    private func scheduleTimer() {
        guard !self.isOver, let next = self.nextDeadline else { return }
        let isSettled = self.isSecure && self.previousAgent == nil && self.agent.selected?.isNominated == true
        let due = isSettled ? Self.roundedUp(next) : next
        // A timer that fires early costs nothing but its call; one per change would cost more.
        if let timer, timer.at <= due { return }
        self.timer?.task.cancel()
        let task = self.transport.eventLoop.assumeIsolated().scheduleTask(deadline: due) { self.timerFired() }
        self.timer = (due, task)
    }

    /// A connection that has settled on its path has no timer that matters to the millisecond. In steps that all
    /// connections share, one wake-up of the process serves many of them.
    private static func roundedUp(_ deadline: NIODeadline) -> NIODeadline {
        let step = UInt64(50_000_000)
        return .uptimeNanoseconds((deadline.uptimeNanoseconds / step + 1) * step)
    }

    private var nextDeadline: NIODeadline? {
        var due = [self.agent.deadline, self.previousAgent?.deadline].compactMap { $0 }.min()
        if let timeout = self.dtls?.timeout { due = min(due ?? .distantFuture, .now() + timeout) }
        if let guardDeadline = self.dtls?.guardDeadline { due = min(due ?? .distantFuture, guardDeadline) }
        if let handshakeDeadline { due = min(due ?? .distantFuture, handshakeDeadline) }
        return due
    }

    private func timerFired() {
        self.timer = nil
        guard !self.isOver else { return }
        if let handshakeDeadline, handshakeDeadline <= .now() {
            return self.finish(.failed, reason: "the DTLS handshake took too long\(self.heldAlert)")
        }
        self.dtls?.handleTimeout()
        self.previousAgent?.handle(.timeout, at: .now())
        self.handle(.timeout)
    }

    // MARK: - The end

    /// Ends the connection for whatever reason, once. The order matters: the peer learns of it from the innermost
    /// layer outwards, and the application is called last, when nothing can change any more.
    func finish(_ state: PeerConnectionState, reason: String) {
        guard !self.isOver else { return }
        self.connectionState = state
        self.closeReason = reason
        if self.iceConnectionState != .failed { self.iceConnectionState = .closed }
        self.association?.close()
        self.dtls?.close()
        self.agent.close()
        self.previousAgent?.close()
        self.timer?.task.cancel()
        self.timer = nil
        self.transport.remove(self, routes: self.routes)
        // Whatever was written above leaves with the tick.
        self.transport.markDirty(self)
        let channels = self.dataChannels
        self.channels = [:]
        self.unassigned = []
        let error = state == .failed ? DataChannelError.connectionLost(reason) : nil
        for channel in channels { channel.becomeClosed(error: error) }
        self.onConnectionStateChange?(state)
        self.forgetHandlers()
    }

    /// Nothing more happens here. Whoever captured the connection in its own closures would keep it for ever.
    private func forgetHandlers() {
        (self.onConnectionStateChange, self.onICEConnectionStateChange) = (nil, nil)
        (self.onICEGatheringStateChange, self.onICECandidate, self.onDataChannel) = (nil, nil, nil)
        (self.onSignalingStateChange, self.onNegotiationNeeded) = (nil, nil)
    }
}
