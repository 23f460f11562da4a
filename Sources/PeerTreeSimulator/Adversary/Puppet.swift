import PeerTreeCore

/// What makes a client a liar: the real one runs in it, but its frames may be held back or changed, and it may be made to
/// say anything.
package struct Puppet: Sendable {
    /// Whether it answers offers; if not, those who were placed under it wait in vain.
    var accepts = true
    /// Types of frames that its own peer's are held back of: see ``AdversaryStep/hold(member:_:)``.
    var held: UInt16 = 0
    /// Whether the payloads that it passes on are overwritten.
    var isForging = false
}

extension Simulation {
    /// Sends a frame of a client's peer, or what its puppet player makes of it.
    func send(_ frame: SimulatedBuffer, on end: LinkEnd, by client: Int) {
        guard let puppet = clients[client].puppet else {
            transmit(frame, isText: false, from: end)
            return
        }
        let type = frame.bytes.first ?? 0
        let isSigned = type == FrameType.signedChunk.rawValue
        let bit = Self.heldBit(of: type)
        guard puppet.held & 1 << UInt16(bit) == 0 else { return }
        var frame = frame
        if puppet.isForging, isSigned {
            frame = forged(frame)
        } else if puppet.isForging, type == FrameType.sourcePulse.rawValue, frame.bytes.reduce(0, ^) % 4 == 0 {
            frame = SimulatedBuffer(bytes: frame.bytes.dropLast() + [(frame.bytes.last ?? 0) ^ 1])
        } else if puppet.isForging, bit == 0 {
            let payload = frame.count - min(frame.count, ChunkHeader.length)
            frame = SimulatedBuffer(
                header: Array(frame.bytes.prefix(ChunkHeader.length)),
                payload: SimulatedBuffer(bytes: Array(repeating: 0, count: payload))
            )
        }
        transmit(frame, isText: false, from: end)
    }

    /// By which of its bits ``Puppet/held`` holds a type of frames back: chunks of both kinds by one, as are pulses.
    private static func heldBit(of type: UInt8) -> UInt8 {
        switch FrameType(rawValue: type) {
        case .chunk, .signedChunk: 0
        case .pulse, .sourceHead, .sourcePulse: FrameType.pulse.rawValue
        default: type & 15
        }
    }

    /// Changes a signed chunk: its payload, or a byte of what proves it.
    private func forged(_ frame: SimulatedBuffer) -> SimulatedBuffer {
        guard let (chunk, payloadOffset) = try? SignedChunk.decode(frame) else { return frame }
        var bytes = Array(frame.bytes)
        if chunk.header.sequence % 2 == 0, payloadOffset < bytes.count {
            for index in payloadOffset..<bytes.count { bytes[index] = 0 }
        } else {
            // The signature, the path, or whatever comes there.
            let index = 78 + Int(chunk.header.sequence * 7 % UInt64(bytes.count - 78))
            bytes[index] ^= 1
        }
        return SimulatedBuffer(bytes: bytes)
    }

    /// Takes a client out of the tree as its user would who closes the window: the server is told, the links close.
    func detach(_ client: Int) {
        guard clients[client].isAlive else { return }
        tell(.leave, by: client)
        for end in openEnds(of: client) { closeChannel(end) }
        // The socket closes behind the goodbye, not before it.
        after(TimeSpan(nanoseconds: 2 * clients[client].delay.nanoseconds)) { $0.shutDown(client) }
        clients[client].life = .leaving
    }
}

extension HostileFrame {
    /// The frame's bytes, for a victim that stands where `victim` says.
    func encoded(for victim: PeerPosition, shiftedBy shift: UInt64) -> SimulatedBuffer {
        let first = numbers[0].value(for: victim) &+ shift
        let second = numbers[1].value(for: victim)
        let third = numbers[2].value(for: victim)
        let range = SequenceRange(start: first, end: second > first ? second : first &+ UInt64(max(1, size)))
        let ranges = Array(repeating: range, count: Int(marks % UInt32(ControlFrame.maximumRanges)) + 1)
        let policy = StreamPolicy(rawValue: UInt8(marks % 3)) ?? .lossless
        let streamID = marks & 4 == 0 ? victim.streamID : UInt64(marks)
        let control: ControlFrame
        switch kind {
        case .chunk: return chunk(first, victim, second, third)
        case .earlier:
            let frames = EarlierStream.frames
            return frames[Int((UInt64(marks) + shift) % UInt64(frames.count))]
        case .subscribe:
            let start = marks & 1 == 0 ? SubscriptionStart.sequence(first) : .joinPoint
            control = .subscribe(stripe: stripe, start: start, window: size, streamID: streamID)
        case .subscribed:
            control = .subscribed(stripe: stripe, policy: policy, streamID: streamID, start: first, next: second)
        case .unsubscribe: control = .unsubscribe(stripe: stripe)
        case .credit: control = .credit(limit: first, frontier: second, complete: marks & 1 == 1)
        case .request: control = .request(ranges)
        case .unavailable: control = .unavailable(ranges)
        case .skip: control = .skip(stripe: stripe, range)
        case .heartbeat: control = .heartbeat(timestamp: first, echo: second, held: size)
        case .close: control = .close(LinkCloseReason(rawValue: UInt8(marks % 5) + 1) ?? .moved)
        case .inquire: control = .inquire(stripe: stripe)
        case .head: control = .head(stripe: stripe, next: first)
        case .restart: control = .restart(stripe: stripe, next: first)
        case .stream: control = .stream(streamID)
        case .pulling: control = .pulling
        case .pulse: control = .pulse(next: first, clock: second)
        }
        return SimulatedBuffer(bytes: control.encoded())
    }

    private func chunk(
        _ sequence: UInt64,
        _ victim: PeerPosition,
        _ fragment: UInt64,
        _ width: UInt64
    ) -> SimulatedBuffer {
        let header = ChunkHeader(
            sequence: sequence,
            stripe: stripe,
            flags: ChunkHeader.Flags(rawValue: UInt16(truncatingIfNeeded: marks)),
            retainedKey: UInt16(truncatingIfNeeded: marks >> 4),
            timestamp: victim.newestTimestamp &+ fragment,
            fragment: marks & 1 == 1 ? 0 : UInt32(truncatingIfNeeded: max(1, fragment)),
            rowWidth: rowWidth(sequence, width)
        )
        let payload = SimulatedBuffer(bytes: Array(repeating: 0xA5, count: Int(size)))
        return SimulatedBuffer(header: header.encoded(), payload: payload)
    }

    /// One in four chunks is of a row of two to five, if it can be in its place there.
    private func rowWidth(_ sequence: UInt64, _ number: UInt64) -> UInt8 {
        let width = UInt8(truncatingIfNeeded: number % 4) + 2
        return marks & 0x30 == 0x10 && sequence % UInt64(width) == UInt64(stripe) ? width : 0
    }
}

extension HostileNumber {
    /// The number itself; whatever lies below zero or beyond 64 bits wraps around.
    fileprivate func value(for victim: PeerPosition) -> UInt64 {
        let from: UInt64 =
            switch base {
            case .zero: 0
            case .frontier: victim.frontier ?? 0
            case .start: victim.start
            case .end: victim.end
            case .limit: ChunkHeader.sequenceLimit
            case .max: .max
            }
        return from &+ UInt64(bitPattern: offset)
    }
}
