import NIOCore

// What moves between the layers: datagrams in, drained outputs out, timers.
extension PeerConnection {
    private static let maximumEarlyDatagrams = 8
    private static let maximumRoutes = 32

    // MARK: - Receiving

    func receive(_ decoder: STUNDecoder, from source: TransportAddress, base: Int) {
        guard !self.isOver else { return }
        self.work.hasControlWork = true
        self.giveMessage(decoder, from: source, base: base)
        self.transport.markDirty(self)
        // At once and not at the end of the tick: DTLS may follow in the same read, and needs the route.
        self.drainAgent()
    }

    /// Takes a DTLS datagram. False when it was of no use: not for this session, forged, or too early and too much.
    func receiveDTLS(_ datagram: UnsafeRawBufferPointer) -> Bool {
        guard !self.isOver else { return false }
        guard let dtls = self.handshake.dtls else {
            guard !self.handshake.isPaused else { return false }
            // The peer is faster than its answer, or than our first check.
            guard self.handshake.earlyDatagrams.count < Self.maximumEarlyDatagrams, datagram.count <= 2048 else {
                return false
            }
            self.handshake.earlyDatagrams.append(Array(datagram))
            return true
        }
        let wasConnected = dtls.state == .connected
        guard wasConnected || dtls.state == .handshaking else { return false }
        dtls.receive(datagram)
        var received = false
        let scratch = self.transport.scratch.received
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

    // MARK: - Draining

    /// Drains everything that is pending in every layer, calls the application, arms the timer.
    func pump() {
        guard !self.isOver else { return }
        if self.work.hasControlWork { self.drainAgent() }
        self.advanceDTLS()
        self.drainAssociation()
        self.settleChannels()
        if self.work.hasControlWork {
            self.work.hasControlWork = self.handshake.dtls?.state == .handshaking
            self.scheduleTimer()
        }
    }

    /// A request of the peer's came from this address, or so it says.
    func heard(from address: TransportAddress, base: Int, bytes: Int) {
        if self.ice.destination?.address == address, self.ice.destination?.base == base {
            self.credit(bytes, from: address)
        } else if self.ice.agent.selected == nil, self.ice.previousAgent == nil {
            self.ice.destination = .unproved(address, base: base, received: bytes)
        }
        self.learnRoute(address)
    }

    /// Bytes that came from an address pay for what may be sent there before it is proved.
    func credit(_ bytes: Int, from address: TransportAddress) {
        guard let destination = self.ice.destination, !destination.isProved, destination.address == address else {
            return
        }
        self.sendHeld(self.ice.destination?.received(bytes) ?? [])
    }

    func learnRoute(_ address: TransportAddress) {
        guard !self.ice.routes.contains(address) else { return }
        if self.ice.routes.count >= Self.maximumRoutes {
            // A peer on the move leaves addresses behind: the oldest that is not in use gives way.
            guard let oldest = self.ice.routes.firstIndex(where: { $0 != self.ice.destination?.address }) else {
                return
            }
            self.transport.table.removeRoute(self.ice.routes.remove(at: oldest), to: self)
        }
        self.ice.routes.append(address)
        self.transport.table.addRoute(address, to: self)
    }

    // MARK: - Timers

    private func scheduleTimer() {
        guard !self.isOver, let next = self.nextDeadline else { return }
        let isSettled = self.isSecure && self.ice.previousAgent == nil && self.ice.agent.selected?.isNominated == true
        self.work.alarm?.follow(isSettled ? Self.roundedUp(next) : next)
    }

    /// A connection that has settled on its path has no timer that matters to the millisecond. In steps that all
    /// connections share, one wake-up of the process serves many of them.
    private static func roundedUp(_ deadline: NIODeadline) -> NIODeadline {
        let step = UInt64(50_000_000)
        return .uptimeNanoseconds((deadline.uptimeNanoseconds / step + 1) * step)
    }

    private var nextDeadline: NIODeadline? {
        var due = [self.ice.agent.deadline, self.ice.previousAgent?.deadline].compactMap { $0 }.min()
        if let timeout = self.handshake.dtls?.timeout { due = min(due ?? .distantFuture, .now() + timeout) }
        if let guardDeadline = self.handshake.dtls?.guardDeadline { due = min(due ?? .distantFuture, guardDeadline) }
        if let handshakeDeadline = self.handshake.deadline { due = min(due ?? .distantFuture, handshakeDeadline) }
        return due
    }

    func timerFired() {
        guard !self.isOver else { return }
        if let handshakeDeadline = self.handshake.deadline, handshakeDeadline <= .now() {
            return self.finish(.failed, reason: "the DTLS handshake took too long\(self.heldAlert)")
        }
        self.handshake.dtls?.handleTimeout()
        self.ice.previousAgent?.handle(.timeout, at: .now())
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
        self.endAssociation(reason)
        self.handshake.dtls?.close()
        self.ice.agent.close()
        self.ice.previousAgent?.close()
        self.work.alarm?.cancel()
        self.transport.remove(self)
        // Whatever was written above leaves with the tick.
        self.transport.markDirty(self)
        let channels = self.dataChannels
        self.streams.channels = [:]
        self.streams.unassigned = []
        let error = state == .failed ? DataChannelError.connectionLost(reason) : nil
        for channel in channels { channel.becomeClosed(error: error) }
        self.onConnectionStateChange?(state)
        self.forgetHandlers()
    }

    /// Nothing more happens here. Whoever captured the connection in its own closures would keep it for ever.
    private func forgetHandlers() {
        self.handlers = Handlers()
    }
}
