extension ControlFrame {
    /// The frame's bytes.
    package func encoded() -> [UInt8] {
        var writer = WireWriter(capacity: 32)
        switch self {
        case .subscribe(let stripe, let start, let window, let streamID):
            writer.begin(.subscribe, stripe)
            switch start {
            case .joinPoint: writer.position(kind: 0, 0)
            case .sequence(let sequence): writer.position(kind: 1, sequence)
            }
            writer.uint32(window)
            writer.uint64(streamID)
        case .subscribed(let stripe, let policy, let streamID, let start, let next):
            writer.begin(.subscribed, stripe)
            writer.uint8(policy.rawValue)
            writer.uint8(0)
            writer.uint64(streamID)
            writer.uint64(start)
            writer.uint64(next)
        case .unsubscribe(let stripe):
            writer.begin(.unsubscribe, stripe)
        case .credit(let limit, let frontier, let complete):
            writer.begin(.credit, complete ? 1 : 0)
            writer.uint64(limit)
            writer.uint64(frontier)
        case .request(let ranges):
            writer.ranges(.request, ranges)
        case .unavailable(let ranges):
            writer.ranges(.unavailable, ranges)
        case .skip(let stripe, let range):
            writer.begin(.skip, stripe)
            writer.uint64(range.start)
            writer.uint64(range.end)
        case .heartbeat(let timestamp, let echo, let held):
            writer.begin(.heartbeat, 0)
            writer.uint64(timestamp)
            writer.uint64(echo)
            writer.uint32(held)
        case .close(let reason):
            writer.begin(.close, reason.rawValue)
        case .inquire(let stripe):
            writer.begin(.inquire, stripe)
        case .head(let stripe, let next):
            writer.begin(.head, stripe)
            writer.uint64(next)
        case .restart(let stripe, let next):
            writer.begin(.restart, stripe)
            writer.uint64(next)
        case .stream(let streamID):
            writer.begin(.stream, 0)
            writer.uint64(streamID)
        case .pulling:
            writer.begin(.pulling, 0)
        case .pulse(let next, let clock):
            writer.begin(.pulse, 0)
            writer.uint64(next)
            writer.uint64(clock)
        }
        return writer.bytes
    }

    /// The longest control frame: a request with ``maximumRanges`` ranges.
    static let maximumLength = 2 + maximumRanges * 16

    /// Reads a control frame; bytes behind its last field are left to later versions.
    static func decode(_ frame: borrowing some FrameBuffer) throws(FrameError) -> ControlFrame {
        let result: Result<ControlFrame, FrameError> = frame.withPrefix(maximumLength) { bytes in
            var reader = WireReader(bytes)
            do throws(FrameError) {
                let decoded = try decode(&reader)
                return reader.isExhausted ? .failure(.truncated) : .success(decoded)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private static func decode(_ reader: inout WireReader) throws(FrameError) -> ControlFrame {
        let code = reader.uint8()
        guard let type = FrameType(rawValue: code) else { throw .unknownType }
        let second = reader.uint8()
        switch type {
        case .subscribe:
            return try decodeSubscribe(&reader, stripe: checkedStripe(second))
        case .subscribed:
            guard let policy = StreamPolicy(rawValue: reader.uint8()) else { throw .badValue }
            _ = reader.uint8()
            return try .subscribed(
                stripe: checkedStripe(second),
                policy: policy,
                streamID: reader.uint64(),
                start: checkedSequence(reader.uint64()),
                next: checkedSequence(reader.uint64())
            )
        case .unsubscribe:
            return try .unsubscribe(stripe: checkedStripe(second))
        case .credit:
            let limit = reader.uint64()
            return try .credit(limit: limit, frontier: checkedSequence(reader.uint64()), complete: second & 1 == 1)
        case .request:
            return try .request(decodeRanges(&reader, count: second))
        case .unavailable:
            return try .unavailable(decodeRanges(&reader, count: second))
        case .skip:
            return try .skip(stripe: checkedStripe(second), decodeRange(&reader))
        case .heartbeat:
            return .heartbeat(timestamp: reader.uint64(), echo: reader.uint64(), held: reader.uint32())
        case .close:
            guard let reason = LinkCloseReason(rawValue: second) else { throw .badValue }
            return .close(reason)
        case .inquire:
            return try .inquire(stripe: checkedStripe(second))
        case .head:
            return try .head(stripe: checkedStripe(second), next: checkedSequence(reader.uint64()))
        case .restart:
            return try .restart(stripe: checkedStripe(second), next: checkedSequence(reader.uint64()))
        case .stream:
            return .stream(reader.uint64())
        case .pulling:
            return .pulling
        case .pulse:
            return try .pulse(next: checkedSequence(reader.uint64()), clock: reader.uint64())
        case .chunk:
            throw .badValue
        case .signedChunk, .sourceHead, .sourcePulse:
            // There is none in an unsigned tree; in a signed one it does not come here.
            throw .unknownType
        }
    }

    private static func decodeSubscribe(_ reader: inout WireReader, stripe: UInt8) throws(FrameError) -> ControlFrame {
        let kind = reader.uint8()
        _ = reader.uint8()
        let position = try checkedSequence(reader.uint64())
        let start: SubscriptionStart
        switch kind {
        case 0: start = .joinPoint
        case 1: start = .sequence(position)
        default: throw .badValue
        }
        return .subscribe(stripe: stripe, start: start, window: reader.uint32(), streamID: reader.uint64())
    }

    private static func decodeRanges(_ reader: inout WireReader, count: UInt8) throws(FrameError) -> [SequenceRange] {
        guard count > 0, Int(count) <= maximumRanges else { throw .badRange }
        var ranges: [SequenceRange] = []
        for _ in 0..<count {
            ranges.append(try decodeRange(&reader))
        }
        return ranges
    }

    private static func decodeRange(_ reader: inout WireReader) throws(FrameError) -> SequenceRange {
        let start = try checkedSequence(reader.uint64())
        let end = try checkedSequence(reader.uint64())
        if reader.isExhausted { throw .truncated }
        guard start < end else { throw .badRange }
        return SequenceRange(start: start, end: end)
    }

    private static func checkedStripe(_ stripe: UInt8) throws(FrameError) -> UInt8 {
        guard stripe < ChunkHeader.maximumStripes else { throw .badStripe }
        return stripe
    }

    private static func checkedSequence(_ sequence: UInt64) throws(FrameError) -> UInt64 {
        guard sequence <= ChunkHeader.sequenceLimit else { throw .badSequence }
        return sequence
    }
}

extension WireWriter {
    fileprivate mutating func begin(_ type: FrameType, _ second: UInt8) {
        uint8(type.rawValue)
        uint8(second)
    }

    fileprivate mutating func position(kind: UInt8, _ sequence: UInt64) {
        uint8(kind)
        uint8(0)
        uint64(sequence)
    }

    fileprivate mutating func ranges(_ type: FrameType, _ ranges: [SequenceRange]) {
        let sent = ranges.prefix(ControlFrame.maximumRanges)
        begin(type, UInt8(sent.count))
        for range in sent {
            uint64(range.start)
            uint64(range.end)
        }
    }
}
