public import NIOCore
import SCTP

// From `send` to the association.
extension DataChannel {
    private static let emptyMessage = ByteBuffer(bytes: [0])

    /// Sends one message, or queues it.
    ///
    /// - Throws: `DataChannelError`; then nothing was sent or queued.
    public func send(_ message: ByteBuffer, as kind: DataChannelMessageKind = .binary) throws(DataChannelError) {
        switch self.readyState {
        case .connecting: throw .notOpen
        case .open: break
        case .closing, .closed: throw .closed
        }
        let size = message.readableBytes
        guard let connection = self.connection else { throw .closed }
        let limit = connection.maximumSendSize
        guard size <= limit else { throw .messageTooLarge(size: size, limit: limit) }
        let capacity = connection.transport.configuration.maximumBufferedAmount
        guard self.bufferedAmount == 0 || self.bufferedAmount + size <= capacity else {
            throw .bufferFull(limit: capacity)
        }
        // SCTP has no empty messages: one zero byte and a protocol identifier of its own (RFC 8831 section 6.6).
        switch (kind, size) {
        case (.binary, 0): try self.submit(Self.emptyMessage, PayloadProtocol.binaryEmpty, bytes: 0)
        case (.binary, _): try self.submit(message, PayloadProtocol.binary, bytes: size)
        case (.text, 0): try self.submit(Self.emptyMessage, PayloadProtocol.stringEmpty, bytes: 0)
        case (.text, _): try self.submit(message, PayloadProtocol.string, bytes: size)
        }
        self.traffic.sentMessages &+= 1
        self.traffic.sentBytes &+= UInt64(size)
    }

    /// Sends one text message.
    ///
    /// - Throws: `DataChannelError`; then nothing was sent or queued.
    public func send(_ text: String) throws(DataChannelError) {
        try self.send(ByteBuffer(string: text), as: .text)
    }

    // MARK: - Called by the connection

    /// A control message of the channel itself; always reliable and in order, and not counted as buffered.
    func sendControl(_ message: DCEPMessage) {
        do throws(DataChannelError) {
            try self.submit(message.encoded(), PayloadProtocol.dcep, bytes: 0)
        } catch {
            self.becomeClosed(error: error)
        }
    }

    func transmitted(_ bytes: Int) {
        guard bytes > 0 else { return }
        let before = self.bufferedAmount
        self.bufferedAmount -= min(bytes, before)
        let threshold = self.bufferedAmountLowThreshold
        guard before > threshold, self.bufferedAmount <= threshold else { return }
        self.isLowDue = true
        self.note()
    }

    /// Drops what waits.
    func dropQueue() {
        guard let connection, let association = connection.association, let id else { return }
        association.dropQueue(of: id, at: .now())
        // Whoever gets the stream next has nothing to do with it.
        connection.reportTransmitted()
    }

    private func submit(_ message: ByteBuffer, _ ppid: UInt32, bytes: Int) throws(DataChannelError) {
        guard let connection, let association = connection.association, let id else { throw .closed }
        let isControl = ppid == PayloadProtocol.dcep
        var outgoing = OutgoingMessage(stream: id, protocolIdentifier: ppid, payload: message)
        outgoing.isOrdered = isControl || self.ordered || !self.isAcknowledged
        outgoing.isCounted = bytes > 0
        if !isControl { outgoing.reliability = self.reliability.fromNow }
        do throws(SendError) {
            try association.send(outgoing)
        } catch {
            throw .closed
        }
        self.bufferedAmount += bytes
        connection.transport.markDirty(connection)
    }
}

extension DataChannelReliability {
    /// For a message that is sent now.
    fileprivate var fromNow: Reliability {
        switch self {
        case .reliable: .reliable
        case .maxRetransmits(let count): .retransmissions(count)
        case .maxPacketLifeTime(let milliseconds): .until(.now() + .milliseconds(Int64(milliseconds)))
        }
    }
}
