public import NIOCore

// From `send` to SCTP's send buffer.
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
        guard self.queue.isEmpty || self.bufferedAmount + size <= capacity else { throw .bufferFull(limit: capacity) }
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

    /// Hands the first queued message on, or as much of it as there is room for.
    func handFirst() -> SCTPAssociation.SendResult {
        self.dropExpired()
        guard let first = self.queue.first else { return .sent }
        var message = first.message
        message.moveReaderIndex(forwardBy: self.handedOfFirst)
        let result = self.hand(message, first.ppid, bytes: first.bytes)
        switch result {
        case .sent:
            self.queue.removeFirst()
            self.handedOfFirst = 0
        case .partly(let count):
            self.handedOfFirst += count
        case .wouldBlock, .failed:
            break
        }
        return result
    }

    /// Drops what is queued. A message that SCTP has got a part of is ended there, as nothing else could be sent before.
    func abandonQueue() {
        self.queue.removeAll()
        guard self.handedOfFirst > 0 else { return }
        self.handedOfFirst = 0
        self.connection?.association?.endOpenMessage()
    }

    /// Messages whose time has passed while they waited here count as transmitted. Not those of which a part has been
    /// sent: the peer has to get the rest.
    private func dropExpired() {
        guard case .maxPacketLifeTime = self.reliability, self.handedOfFirst == 0 else { return }
        let now = NIODeadline.now()
        while let first = self.queue.first, let expires = first.expires, expires < now {
            self.queue.removeFirst()
            self.transmitted(first.bytes)
        }
    }

    private func submit(_ message: ByteBuffer, _ ppid: UInt32, bytes: Int) throws(DataChannelError) {
        guard let connection = self.connection else { throw .closed }
        // Past those that wait nobody pushes in.
        if !connection.scheduler.isBusy {
            switch self.hand(message, ppid, bytes: bytes) {
            case .sent:
                self.bufferedAmount += bytes
                connection.transport.markDirty(connection)
                return
            case .partly(let count):
                self.handedOfFirst = count
            case .failed(let code):
                throw .transport(code: code)
            case .wouldBlock:
                break
            }
        }
        self.bufferedAmount += bytes
        var expires: NIODeadline?
        if case .maxPacketLifeTime(let milliseconds) = self.reliability, ppid != PayloadProtocol.dcep {
            expires = .now() + .milliseconds(Int64(milliseconds))
        }
        self.queue.append(Outgoing(message: message, ppid: ppid, bytes: bytes, expires: expires))
        connection.scheduler.add(self)
        connection.transport.markDirty(connection)
    }

    private func hand(_ message: ByteBuffer, _ ppid: UInt32, bytes: Int) -> SCTPAssociation.SendResult {
        guard let connection = self.connection, let association = connection.association, let id = self.id else {
            return .wouldBlock
        }
        let isControl = ppid == PayloadProtocol.dcep
        return association.send(
            message,
            counting: bytes,
            stream: id,
            ppid: ppid,
            reliability: isControl ? .reliable : self.reliability,
            ordered: isControl || self.ordered || !self.isAcknowledged
        )
    }
}
