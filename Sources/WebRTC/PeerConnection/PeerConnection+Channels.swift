import NIOCore
import SCTP

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
        guard self.streams.channels.count + self.streams.unassigned.count < limit else {
            throw .tooManyChannels(limit: limit)
        }
        let channel = DataChannel(label: label, configuration: configuration, connection: self)
        if let id = configuration.negotiatedID {
            let streams = self.streams.outgoingStreams == 0 ? 65_535 : self.streams.outgoingStreams
            guard id < streams else {
                throw .invalidConfiguration("id \(id) is not below the number of streams, \(streams)")
            }
            guard self.streams.channels[id] == nil, self.streams.resets.isFree(id) else {
                throw .invalidConfiguration("id \(id) is in use, or was until now: wait until the peer has closed it")
            }
            channel.id = id
            self.streams.channels[id] = channel
        } else {
            self.streams.unassigned.append(channel)
        }
        // It opens at the end of the tick: the caller has to set its closures first.
        self.streams.hasUnopened = true
        self.transport.markDirty(self)
        if !self.negotiation.hasBegun { self.needNegotiation() }
        return channel
    }

    // MARK: - Messages

    func receive(_ message: ByteBuffer, ppid: UInt32, stream: UInt16) {
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
        guard let channel = self.streams.channels[stream] else {
            self.transport.counters.droppedMalformedMessages &+= 1
            return
        }
        channel.receive(message, as: kind)
    }

    private func receiveDCEP(_ message: ByteBuffer, stream: UInt16) {
        do throws(DCEPError) {
            switch try DCEPMessage(message) {
            case .acknowledge:
                self.streams.channels[stream]?.isAcknowledged = true
            case .open(let open):
                self.accept(open, stream: stream)
            }
        } catch {
            self.transport.counters.droppedMalformedMessages &+= 1
        }
    }

    private func accept(_ open: DCEPMessage.Open, stream: UInt16) {
        // The peer's streams have the other parity (RFC 8832 section 6).
        let isTheirs = (stream & 1 == 0) == (self.negotiation.dtlsRole == .server)
        guard isTheirs, self.streams.channels[stream] == nil else {
            self.transport.counters.droppedMalformedMessages &+= 1
            return
        }
        guard
            self.streams.channels.count + self.streams.unassigned.count
                < self.transport.configuration.maximumDataChannels
        else {
            self.transport.counters.droppedMalformedMessages &+= 1
            self.streams.resets.close(stream)
            return
        }
        let configuration = DataChannelConfiguration(
            ordered: open.ordered,
            reliability: open.reliability,
            subprotocol: open.subprotocol,
            priority: open.priority
        )
        let channel = DataChannel(label: open.label, configuration: configuration, connection: self)
        channel.isAcknowledged = true
        self.streams.resets.forget(stream)
        self.assign(stream, to: channel)
        channel.sendControl(.acknowledge)
        // Open before the application hears of it: it may send at once.
        channel.becomeOpen()
        self.onDataChannel?(channel)
        if channel.readyState == .open { channel.onOpen?() }
    }

    // MARK: - Opening

    private func openChannels() {
        guard self.streams.hasUnopened, self.streams.outgoingStreams > 0 else { return }
        self.streams.hasUnopened = false
        for channel in self.streams.channels.values.sorted(by: { $0.id ?? 0 < $1.id ?? 0 })
        where channel.readyState == .connecting {
            self.openNegotiated(channel)
        }
        let waiting = self.streams.unassigned
        self.streams.unassigned = []
        for channel in waiting where channel.readyState == .connecting {
            guard let stream = self.freeStream() else {
                channel.becomeClosed(error: .tooManyChannels(limit: self.streams.outgoingStreams / 2))
                continue
            }
            self.assign(stream, to: channel)
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
        guard let id = channel.id, Int(id) < self.streams.outgoingStreams else {
            if let id = channel.id { self.streams.channels[id] = nil }
            let reason = "the peer takes \(self.streams.outgoingStreams) streams: choose a lower id"
            return channel.becomeClosed(error: .invalidConfiguration(reason))
        }
        channel.isAcknowledged = true
        self.assign(id, to: channel)
        channel.becomeOpen()
    }

    private func assign(_ stream: UInt16, to channel: DataChannel) {
        channel.id = stream
        self.streams.channels[stream] = channel
        self.association?.setWeight(channel.priority.rawValue, of: stream)
    }

    /// Even streams belong to the DTLS client, odd ones to the server (RFC 8832 section 6).
    private func freeStream() -> UInt16? {
        let first = self.negotiation.dtlsRole == .client ? 0 : 1
        for stream in stride(from: first, to: min(self.streams.outgoingStreams, 65_535), by: 2) {
            let id = UInt16(truncatingIfNeeded: stream)
            if self.streams.channels[id] == nil, self.streams.resets.isFree(id) { return id }
        }
        return nil
    }

    func forget(unassigned channel: DataChannel) {
        self.streams.unassigned.removeAll { $0 === channel }
    }

    // MARK: - Closing

    /// The peer reset its side of these streams: the channels are over (RFC 8831 section 6.7).
    func peerClosed(_ streams: [UInt16]) {
        let affected = streams.isEmpty ? Array(self.streams.channels.keys) : streams
        for stream in affected {
            self.streams.resets.incomingDone(stream)
            self.streams.channels.removeValue(forKey: stream)?.becomeClosed()
        }
    }

    /// Opens what is to be opened, closes what is to be closed, sends, and notes what has been sent.
    func settleChannels() {
        guard let association, !self.isOver else { return }
        association.pathRoundTrip = self.ice.roundTrip
        self.openChannels()
        self.raiseNoted()
        guard !self.isOver else { return }
        association.reset(self.streams.resets.takeRequest())
        self.sendPackets()
        self.reportTransmitted()
        self.followAssociation()
    }

    /// Whoever has sent enough by this is looked at once more before the end of the tick.
    func reportTransmitted() {
        while let (stream, bytes) = self.association?.nextTransmission() {
            self.streams.channels[stream]?.transmitted(bytes)
        }
    }

    private func raiseNoted() {
        guard !self.streams.noted.isEmpty else { return }
        let noted = self.streams.noted
        self.streams.noted = []
        for channel in noted {
            channel.isNoted = false
            if channel.raiseDue(), let id = channel.id, self.streams.channels[id] === channel {
                self.streams.resets.close(id)
            }
        }
    }
}
