import NIOCore

/// A block taken apart: its frames and what it says about them (RFC 9559, section 10).
struct WebMBlockFrames {
    var track: UInt64
    /// Ticks after the timestamp of the cluster.
    var relativeTimestamp: Int16
    var isKeyFrame: Bool
    /// Ticks of all frames together, if the block group says so.
    var duration: UInt64?
    /// Nanoseconds at the end of the last frame that are not to be played.
    var discardPadding: Int64 = 0
    var payloads: [ByteBuffer]

    /// Reads a SimpleBlock; nil if it is malformed.
    init?(simpleBlock buffer: ByteBuffer, in range: Range<Int>) {
        guard let head = Self.head(of: buffer, in: range),
            let payloads = Self.frames(of: buffer, in: head.end..<range.upperBound, lacing: head.flags)
        else { return nil }
        track = head.track
        relativeTimestamp = head.timestamp
        isKeyFrame = head.flags & 0x80 != 0
        self.payloads = payloads
    }

    /// Reads a BlockGroup: its block is a key frame if it refers to no other.
    init?(blockGroup buffer: ByteBuffer, in range: Range<Int>) {
        var block: Range<Int>?
        var duration: UInt64?
        var discardPadding: Int64 = 0
        var refersToOthers = false
        let isWhole = buffer.forEachEBMLChild(in: range) { id, index, length in
            switch id {
            case EBMLID.block: block = index..<index + length
            case EBMLID.blockDuration: duration = buffer.ebmlUnsigned(at: index, length: length)
            case EBMLID.discardPadding: discardPadding = buffer.ebmlSigned(at: index, length: length) ?? 0
            case EBMLID.referenceBlock: refersToOthers = true
            default: break
            }
        }
        guard isWhole, let block, let simple = WebMBlockFrames(simpleBlock: buffer, in: block) else { return nil }
        self = simple
        self.duration = duration
        self.discardPadding = discardPadding
        isKeyFrame = !refersToOthers
    }

    private static func head(of buffer: ByteBuffer, in range: Range<Int>) -> (
        track: UInt64, timestamp: Int16, flags: UInt8, end: Int
    )? {
        guard case .value(let track) = buffer.ebmlVariableInteger(at: range.lowerBound) else { return nil }
        let index = range.lowerBound + track.length
        guard index + 3 <= range.upperBound, let timestamp = buffer.getInteger(at: index, as: Int16.self),
            let flags = buffer.getInteger(at: index + 2, as: UInt8.self)
        else { return nil }
        return (track.value, timestamp, flags, index + 3)
    }
}

// MARK: - Lacing

extension WebMBlockFrames {
    private enum Lacing: UInt8 {
        case none = 0
        case xiph = 0x02
        case fixed = 0x04
        case ebml = 0x06
    }

    /// Cuts the payload of a block into frames.
    private static func frames(of buffer: ByteBuffer, in range: Range<Int>, lacing flags: UInt8) -> [ByteBuffer]? {
        let lacing = Lacing(rawValue: flags & 0x06) ?? .none
        if lacing == .none { return buffer.getSlice(at: range.lowerBound, length: range.count).map { [$0] } }
        guard let last = buffer.getInteger(at: range.lowerBound, as: UInt8.self), !range.isEmpty else { return nil }
        var index = range.lowerBound + 1
        // All but the last, which takes the rest.
        let sizes: [Int]?
        switch lacing {
        case .fixed:
            let (size, rest) = (range.upperBound - index).quotientAndRemainder(dividingBy: Int(last) + 1)
            sizes = rest == 0 ? Array(repeating: size, count: Int(last)) : nil
        case .xiph: sizes = xiphSizes(of: buffer, at: &index, end: range.upperBound, count: Int(last))
        case .ebml, .none: sizes = ebmlSizes(of: buffer, at: &index, count: Int(last))
        }
        guard let sizes else { return nil }
        var frames: [ByteBuffer] = []
        for size in sizes {
            guard size >= 0, size <= range.upperBound - index, let frame = buffer.getSlice(at: index, length: size)
            else { return nil }
            frames.append(frame)
            index += size
        }
        guard index <= range.upperBound, let rest = buffer.getSlice(at: index, length: range.upperBound - index) else {
            return nil
        }
        return frames + [rest]
    }

    /// Each size is a run of bytes 255 and one below.
    private static func xiphSizes(of buffer: ByteBuffer, at index: inout Int, end: Int, count: Int) -> [Int]? {
        var sizes: [Int] = []
        while sizes.count < count {
            var size = 0
            while true {
                guard index < end, let byte = buffer.getInteger(at: index, as: UInt8.self) else { return nil }
                index += 1
                size += Int(byte)
                if byte < 255 { break }
            }
            sizes.append(size)
        }
        return sizes
    }

    /// The first size as it is, then differences, biased to be unsigned.
    private static func ebmlSizes(of buffer: ByteBuffer, at index: inout Int, count: Int) -> [Int]? {
        var sizes: [Int] = []
        while sizes.count < count {
            guard case .value(let number) = buffer.ebmlVariableInteger(at: index),
                let value = Int(exactly: number.value)
            else { return nil }
            index += number.length
            guard let previous = sizes.last else {
                sizes.append(value)
                continue
            }
            // A size is at most 2⁵⁶ and so is a difference: the sum cannot overflow.
            let size = previous + value - ((1 << (7 * number.length - 1)) - 1)
            guard size >= 0 else { return nil }
            sizes.append(size)
        }
        return sizes
    }
}
