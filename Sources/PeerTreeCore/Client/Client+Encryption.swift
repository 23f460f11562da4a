// Hosts seal and open messages when they can: natively at once, on a page WebCrypto takes a turn of the event loop. What is
// written or told meanwhile waits its turn.

/// A source's stream that is encrypted.
struct Sealing<Buffer: FrameBuffer> {
    /// That of the blocks, if the source signs.
    let streamID: SignedStreamID
    /// The marks of the message that the host is sealing.
    var marks: MessageOptions?
    /// What the application has written since.
    var waiting: [ClientInput<Buffer>] = []
}

/// A viewer's stream that may be encrypted.
struct Opening<Buffer: FrameBuffer> {
    var streams: OpenedStreams
    /// What the host is opening, and of which stream it says that it is.
    var message: (sealed: Message<Buffer>, streamID: SignedStreamID)?
    /// What the application is to be told behind it.
    var waiting = OutputQueue<ClientOutput<Buffer>>()
}

extension Client {
    // MARK: At the source

    /// Whether what the application writes has to wait: a seal is bound to the number of the chunk that comes next.
    mutating func waitsForSeal(_ input: ClientInput<Buffer>) -> Bool {
        guard sealing?.marks != nil else { return false }
        sealing?.waiting.append(input)
        return true
    }

    /// Has a message sealed.
    ///
    /// - Returns: whether the stream is encrypted at all.
    mutating func seal(_ payload: Buffer, _ options: MessageOptions) -> Bool {
        guard let streamID = sealing?.streamID, let sequence = peer?.nextSequence else { return false }
        sealing?.marks = options
        outputs.append(.seal(MessageSeal(streamID: streamID, sequence: sequence, options), payload))
        return true
    }

    mutating func sealed(_ ciphertext: Buffer) {
        guard let sealing, var options = sealing.marks else { return }
        self.sealing = Sealing(streamID: sealing.streamID)
        options.isEncrypted = true
        var writer = WireWriter(capacity: MessageSeal.streamIDLength)
        sealing.streamID.write(to: &writer)
        write(Buffer(header: writer.bytes, payload: ciphertext), options)
        for input in sealing.waiting { handle(input, at: now) }
        // Otherwise the peer says so once it can take more.
        if writability == .writable { outputs.append(.writable) }
    }

    // MARK: At a viewer

    /// Tells the application, in the order of the stream.
    mutating func tell(_ output: ClientOutput<Buffer>) {
        guard opening.message == nil else { return opening.waiting.append(output) }
        guard case .deliver(let message) = output, !opening.streams.isPlain(isEncrypted: message.isEncrypted) else {
            return outputs.append(output)
        }
        let streamID = message.streamID
        if let reason = opening.streams.refusal(of: streamID, isEncrypted: message.isEncrypted) {
            return leaveOut(message, reason)
        }
        guard let streamID else { return }
        opening.message = (message, streamID)
        let marks = MessageOptions(
            isText: message.isText,
            isJoinPoint: message.isJoinPoint,
            retainedKey: message.retainedKey
        )
        var parts = message.parts
        parts[0] = parts[0].slice(from: MessageSeal.streamIDLength, to: parts[0].count)
        outputs.append(.open(MessageSeal(streamID: streamID, sequence: message.sequence, marks), parts))
    }

    mutating func opened(_ payload: Buffer?) {
        guard let (sealed, streamID) = opening.message else { return }
        opening.message = nil
        if let payload {
            opening.streams.opened(streamID)
            var message = sealed
            message.parts = [payload]
            outputs.append(.deliver(message))
        } else {
            leaveOut(sealed, opening.streams.failure)
        }
        while opening.message == nil, let output = opening.waiting.popFirst() { tell(output) }
    }

    /// Nobody waits for what cannot be read: the stream goes on, here and below.
    private mutating func leaveOut(_ message: Message<Buffer>, _ reason: UnreadableReason) {
        let now = now
        peer?.handle(.consumed(through: message.lastSequence), at: now)
        if opening.streams.isNews(reason) { outputs.append(.unreadable(reason)) }
        let range = SequenceRange(start: message.sequence, end: message.lastSequence + 1)
        if reason == .changed { outputs.append(.gap(Gap(range: range, isSkip: false))) }
    }
}

extension Message {
    /// The stream that a sealed message says it is of; nil if it is too short, or its first chunk is.
    fileprivate var streamID: SignedStreamID? {
        guard count >= MessageSeal.overhead, parts[0].count >= MessageSeal.streamIDLength else { return nil }
        return parts[0].withPrefix(MessageSeal.streamIDLength) { bytes in
            var reader = WireReader(bytes)
            return SignedStreamID(&reader)
        }
    }
}
