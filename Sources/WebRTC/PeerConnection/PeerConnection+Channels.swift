import NIOCore

// Data channels: streams of the SCTP association (RFC 8831, RFC 8832).
extension PeerConnection {
    /// Creates a channel. It opens when the connection is up.
    ///
    /// - Throws: `DataChannelError.invalidConfiguration` for a label or id that cannot be, or an id that is in use or
    ///   not yet free again; `.closed`; `.tooManyChannels`.
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
            let streams = self.outgoingStreams == 0 ? 65_535 : self.outgoingStreams
            guard id < streams else {
                throw .invalidConfiguration("id \(id) is not below the number of streams, \(streams)")
            }
            guard self.channels[id] == nil, self.resets.isFree(id) else {
                throw .invalidConfiguration("id \(id) is in use, or was until now: wait until the peer has closed it")
            }
            channel.id = id
            self.channels[id] = channel
        } else {
            self.unassigned.append(channel)
        }
        // It opens at the end of the tick: the caller has to set its closures first.
        self.hasUnopened = true
        self.transport.markDirty(self)
        if self.isOfferer == nil { self.needNegotiation() }
        return channel
    }

    func startSCTP() {
        guard self.association == nil, self.isSecure, let remote, !self.isOver else { return }
        let configuration = self.transport.configuration
        let association = SCTPAssociation(
            shard: self.transport.sctp,
            configuration: SCTPAssociation.Configuration(
                localPort: 5000,
                remotePort: remote.sctpPort,
                // usrsctp's path MTU does not count the common header of 12 bytes.
                pathMTU: configuration.maximumDatagramSize - DTLSSession.overhead - 12,
                sendBuffer: configuration.sctpSendBufferSize,
                receiveBuffer: configuration.sctpReceiveBufferSize,
                maximumMessageSize: configuration.maximumMessageSize,
                // Either side may open all channels, and has every second stream for them (RFC 8832 section 6). RFC 8831
                // section 6.2 would have 65,535, but each costs a hundred bytes from the first moment.
                streams: UInt16(clamping: min(max(1, configuration.maximumDataChannels), 32_767) * 2)
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
            case .outgoingReset(let streams):
                for stream in streams { self.resets.outgoingDone(stream) }
            case .resetFailed(let streams):
                self.resets.failed(streams)
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
            self.resets.close(stream)
            return
        }
        let configuration = DataChannelConfiguration(
            ordered: open.ordered,
            reliability: open.reliability,
            subprotocol: open.subprotocol,
            priority: open.priority
        )
        let channel = DataChannel(label: open.label, configuration: configuration, connection: self)
        channel.id = stream
        channel.isAcknowledged = true
        self.resets.forget(stream)
        self.channels[stream] = channel
        channel.sendControl(.acknowledge)
        // Open before the application hears of it: it may send at once.
        channel.becomeOpen()
        self.onDataChannel?(channel)
        if channel.readyState == .open { channel.onOpen?() }
    }

    // MARK: - Opening

    private func openChannels() {
        guard self.hasUnopened, self.outgoingStreams > 0 else { return }
        self.hasUnopened = false
        for channel in self.channels.values.sorted(by: { $0.id ?? 0 < $1.id ?? 0 })
        where channel.readyState == .connecting {
            self.openNegotiated(channel)
        }
        let waiting = self.unassigned
        self.unassigned = []
        for channel in waiting where channel.readyState == .connecting {
            guard let stream = self.freeStream() else {
                channel.becomeClosed(error: .tooManyChannels(limit: self.outgoingStreams / 2))
                continue
            }
            channel.id = stream
            self.channels[stream] = channel
            let open = DCEPMessage.Open(
                label: channel.label,
                subprotocol: channel.subprotocol,
                ordered: channel.ordered,
                reliability: channel.reliability,
                priority: channel.priority
            )
            channel.sendControl(.open(open))
            channel.becomeOpen()
        }
    }

    private func openNegotiated(_ channel: DataChannel) {
        guard let id = channel.id, Int(id) < self.outgoingStreams else {
            if let id = channel.id { self.channels[id] = nil }
            let reason = "the peer takes \(self.outgoingStreams) streams: choose a lower id"
            return channel.becomeClosed(error: .invalidConfiguration(reason))
        }
        channel.isAcknowledged = true
        channel.becomeOpen()
    }

    /// Even streams belong to the DTLS client, odd ones to the server (RFC 8832 section 6).
    private func freeStream() -> UInt16? {
        let first = self.dtlsRole == .client ? 0 : 1
        for stream in stride(from: first, to: min(self.outgoingStreams, 65_535), by: 2) {
            let id = UInt16(truncatingIfNeeded: stream)
            if self.channels[id] == nil, self.resets.isFree(id) { return id }
        }
        return nil
    }

    func forget(unassigned channel: DataChannel) {
        self.unassigned.removeAll { $0 === channel }
    }

    // MARK: - Closing

    /// The peer reset its side of these streams: the channels are over (RFC 8831 section 6.7).
    private func peerClosed(_ streams: [UInt16]) {
        let affected = streams.isEmpty ? Array(self.channels.keys) : streams
        for stream in affected {
            self.resets.incomingDone(stream)
            self.channels.removeValue(forKey: stream)?.becomeClosed()
        }
    }

    /// Moves queued messages on, reports what has been sent, closes what is to be closed.
    func settleChannels() {
        guard let association, !self.isOver else { return }
        association.adaptAcknowledgements(isShortPath: self.isShortPath)
        // First what was sent, then what is new: a new channel may get the stream of one that has just closed.
        self.reportTransmitted()
        self.openChannels()
        association.isShared = self.channels.count > 1
        var failed = self.scheduler.run()
        while association.isShared, self.scheduler.isBusy, self.reportTransmitted() { failed += self.scheduler.run() }
        for (channel, code) in failed {
            channel.onError?(.transport(code: code))
            channel.close()
        }
        self.raiseNoted()
        if !self.isOver, let streams = self.resets.nextRequest, association.reset(streams) {
            self.resets.didRequest(streams)
        }
    }

    @discardableResult
    private func reportTransmitted() -> Bool {
        self.association?.drainTransmitted { stream, bytes in self.channels[stream]?.transmitted(bytes) } ?? false
    }

    private func raiseNoted() {
        guard !self.noted.isEmpty else { return }
        let noted = self.noted
        self.noted = []
        for channel in noted {
            channel.isNoted = false
            if channel.raiseDue(), let id = channel.id, self.channels[id] === channel { self.resets.close(id) }
        }
    }
}
