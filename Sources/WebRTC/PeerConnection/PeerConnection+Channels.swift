public import NIOCore

// Data channels: streams of the SCTP association (RFC 8831, RFC 8832).
extension PeerConnection {
    /// Creates a channel. It opens when the connection is up.
    ///
    /// - Throws: `DataChannelError.invalidConfiguration` for a label or id that cannot be, `.closed`,
    ///   `.tooManyChannels`.
    public func createDataChannel(
        label: String,
        _ configuration: DataChannelConfiguration = .init()
    ) throws(DataChannelError) -> DataChannel {
        guard !self.isOver else { throw .closed }
        guard label.utf8.count <= 65_535, configuration.subprotocol.utf8.count <= 65_535 else {
            throw .invalidConfiguration("label and subprotocol have at most 65,535 bytes")
        }
        let limit = self.transport.configuration.maximumDataChannels
        guard self.channels.count + self.unassigned.count < limit else { throw .tooManyChannels(limit: limit) }
        let channel = DataChannel(label: label, configuration: configuration, connection: self)
        if let id = configuration.negotiatedID {
            guard id < 65_535, self.channels[id] == nil else {
                throw .invalidConfiguration("id \(id) is taken, or above 65,534")
            }
            channel.id = id
            self.channels[id] = channel
        } else {
            self.unassigned.append(channel)
        }
        // It opens at the end of the tick: the caller has to set its closures first.
        self.hasUnopened = true
        self.transport.markDirty(self)
        return channel
    }

    func startSCTP() {
        guard self.association == nil, self.isSecure, let remote, !self.isOver else { return }
        let configuration = self.transport.configuration
        let association = SCTPAssociation(
            configuration: SCTPAssociation.Configuration(
                localPort: 5000,
                remotePort: remote.sctpPort,
                // usrsctp's path MTU does not count the common header of 12 bytes.
                pathMTU: configuration.maximumDatagramSize - DTLSSession.overhead - 12,
                sendBuffer: configuration.sctpSendBufferSize,
                receiveBuffer: configuration.sctpReceiveBufferSize,
                maximumMessageSize: configuration.maximumMessageSize
            ),
            // Unowned: the stack forgets an association before its connection ends, and a weak reference would make
            // every retain of the connection slow.
            output: { [unowned self] packet in
                guard let dtls = self.dtls else { return }
                if dtls.write(packet) { self.traffic.sentBytes &+= UInt64(packet.count) }
                // A timer of the stack may be what sends: the tick that flushes has to be asked for.
                self.transport.markDirty(self)
            },
            onWork: { [unowned self] in self.transport.markDirty(self) }
        )
        self.association = association
        if !association.start() { self.finish(.failed, reason: "the SCTP stack refused an association") }
    }

    // MARK: - Events of the association

    func resumeReading() {
        if !self.isOver { self.transport.markDirty(self) }
    }

    func drainAssociation() {
        while !self.isOver, self.readingPauses == 0, let event = self.association?.nextEvent() {
            switch event {
            case .up(let streams):
                self.outgoingStreams = streams
                self.hasUnopened = true
            case .message(let stream, let ppid, let message):
                self.receive(message, ppid: ppid, stream: stream)
            case .incomingReset(let streams):
                self.peerClosed(streams)
            case .outgoingReset, .resetFailed:
                break
            case .down(let reason):
                self.finish(.closed, reason: reason)
            }
        }
    }

    private func receive(_ message: ByteBuffer, ppid: UInt32, stream: UInt16) {
        switch ppid {
        case PayloadProtocol.dcep:
            self.receiveDCEP(message, stream: stream)
        case PayloadProtocol.binary, PayloadProtocol.binaryPartial:
            self.deliver(message, as: .binary, stream: stream)
        case PayloadProtocol.string, PayloadProtocol.stringPartial:
            self.deliver(message, as: .text, stream: stream)
        case PayloadProtocol.binaryEmpty:
            self.deliver(ByteBuffer(), as: .binary, stream: stream)
        case PayloadProtocol.stringEmpty:
            self.deliver(ByteBuffer(), as: .text, stream: stream)
        default:
            self.transport.counters.droppedMalformedMessages &+= 1
        }
    }

    private func deliver(_ message: ByteBuffer, as kind: DataChannelMessageKind, stream: UInt16) {
        guard let channel = self.channels[stream] else {
            self.transport.counters.droppedMalformedMessages &+= 1
            return
        }
        self.traffic.receivedMessages &+= 1
        channel.receive(message, as: kind)
    }

    private func receiveDCEP(_ message: ByteBuffer, stream: UInt16) {
        do throws(DCEPError) {
            switch try DCEPMessage(message) {
            case .acknowledge:
                self.channels[stream]?.isAcknowledged = true
            case .open(let open):
                self.accept(open, stream: stream)
            }
        } catch {
            self.transport.counters.droppedMalformedMessages &+= 1
        }
    }

    private func accept(_ open: DCEPMessage.Open, stream: UInt16) {
        // The peer's streams have the other parity (RFC 8832 section 6).
        let isTheirs = (stream & 1 == 0) == (self.dtlsRole == .server)
        guard isTheirs, self.channels[stream] == nil else {
            self.transport.counters.droppedMalformedMessages &+= 1
            return
        }
        guard self.channels.count + self.unassigned.count < self.transport.configuration.maximumDataChannels else {
            self.transport.counters.droppedMalformedMessages &+= 1
            self.pendingResets.insert(stream)
            return
        }
        var configuration = DataChannelConfiguration()
        configuration.ordered = open.ordered
        configuration.reliability = open.reliability
        configuration.subprotocol = open.subprotocol
        let channel = DataChannel(label: open.label, configuration: configuration, connection: self)
        channel.id = stream
        channel.isAcknowledged = true
        self.channels[stream] = channel
        channel.sendControl(.acknowledge)
        channel.becomeOpen(announcing: false)
        self.onDataChannel?(channel)
        channel.announceOpen()
    }

    // MARK: - Opening

    private func openChannels() {
        guard self.hasUnopened, self.outgoingStreams > 0 else { return }
        self.hasUnopened = false
        for channel in self.channels.values.sorted(by: { $0.id ?? 0 < $1.id ?? 0 })
        where channel.readyState == .connecting {
            channel.isAcknowledged = true
            channel.becomeOpen(announcing: true)
        }
        let waiting = self.unassigned
        self.unassigned = []
        for channel in waiting {
            guard let stream = self.freeStream() else {
                channel.becomeClosed(error: .tooManyChannels(limit: self.outgoingStreams))
                continue
            }
            channel.id = stream
            self.channels[stream] = channel
            channel.sendControl(
                .open(
                    DCEPMessage.Open(
                        label: channel.label,
                        subprotocol: channel.subprotocol,
                        ordered: channel.ordered,
                        reliability: channel.reliability
                    )
                )
            )
            channel.becomeOpen(announcing: true)
        }
    }

    /// Even streams belong to the DTLS client, odd ones to the server (RFC 8832 section 6).
    private func freeStream() -> UInt16? {
        let first = self.dtlsRole == .client ? 0 : 1
        let last = min(self.outgoingStreams, 65_535)
        for stream in stride(from: first, to: last, by: 2) {
            let id = UInt16(truncatingIfNeeded: stream)
            if self.channels[id] == nil { return id }
        }
        return nil
    }

    // MARK: - Closing

    /// The peer reset its side of these streams: the channels are over (RFC 8831 section 6.7).
    private func peerClosed(_ streams: [UInt16]) {
        let affected = streams.isEmpty ? Array(self.channels.keys) : streams
        for stream in affected {
            guard let channel = self.channels.removeValue(forKey: stream) else { continue }
            if !channel.hasResetSent { self.pendingResets.insert(stream) }
            channel.becomeClosed()
        }
    }

    /// Moves queued messages on, reports what has been sent, closes what is to be closed.
    func settleChannels() {
        guard let association, !self.isOver else { return }
        self.openChannels()
        association.adaptAcknowledgements(isShortPath: self.isShortPath)
        association.drainTransmitted { stream, bytes in self.channels[stream]?.transmitted(bytes) }
        for channel in self.channels.values where channel.needsService { channel.service() }
        if !self.pendingResets.isEmpty, !self.isOver, association.reset(Array(self.pendingResets)) {
            for stream in self.pendingResets { self.channels[stream]?.hasResetSent = true }
            self.pendingResets = []
        }
    }

    // MARK: - Statistics

    /// What went over this connection so far.
    public var statistics: PeerConnectionStatistics {
        var statistics = self.traffic
        if let pair = self.agent.selected {
            statistics.selectedPair = .init(
                local: pair.local,
                remote: pair.remote,
                isNominated: pair.isNominated
            )
            statistics.roundTripTime = pair.roundTripTime
        }
        if let path = self.association?.pathStatus {
            statistics.sctpRoundTripTime = .milliseconds(Int64(path.roundTrip))
            statistics.congestionWindow = Int(path.window)
        }
        return statistics
    }
}

/// What went over a connection.
public struct PeerConnectionStatistics: Hashable, Sendable {
    /// The addresses in use.
    public struct SelectedPair: Hashable, Sendable {
        /// This side's candidate.
        public var local: ICECandidate
        /// The peer's candidate.
        public var remote: ICECandidate
        /// Whether the controlling side has settled on it.
        public var isNominated: Bool
    }

    /// SCTP packets received, in bytes, headers included.
    public var receivedBytes: UInt64 = 0
    /// DTLS datagrams received.
    public var receivedDatagrams: UInt64 = 0
    /// SCTP packets sent, in bytes, headers included.
    public var sentBytes: UInt64 = 0
    /// DTLS datagrams sent.
    public var sentDatagrams: UInt64 = 0
    /// Messages delivered to channels.
    public var receivedMessages: UInt64 = 0
    /// Messages accepted from channels.
    public var sentMessages: UInt64 = 0
    /// Round trip of the last answered connectivity or consent check.
    public var roundTripTime: TimeAmount?
    /// Smoothed round trip as SCTP sees it; includes delayed acknowledgements.
    public var sctpRoundTripTime: TimeAmount?
    /// What SCTP allows in flight, in bytes.
    public var congestionWindow: Int?
    /// The addresses in use.
    public var selectedPair: SelectedPair?
}
