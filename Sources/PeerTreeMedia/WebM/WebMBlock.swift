import NIOCore

/// The two facts about a block that decide whether a viewer can start with it.
struct WebMBlock: Equatable {
    var track: UInt64
    var isKeyFrame: Bool

    /// Reads a SimpleBlock's head; its payload may be cut short behind the flags (RFC 9559, section 10.2).
    init?(simpleBlock buffer: ByteBuffer, at index: Int, end: Int) {
        guard let (track, flags) = Self.head(of: buffer, at: index, end: end) else { return nil }
        self.track = track
        isKeyFrame = flags & 0x80 != 0
    }

    /// Reads a whole BlockGroup: its block is a key frame if it refers to no other (RFC 9559, section 5.1.3.5.5).
    init?(blockGroup buffer: ByteBuffer, at start: Int, end: Int) {
        var index = start
        var track: UInt64?
        var refersToOthers = false
        while index < end, case .value(let head) = buffer.ebmlElementHead(at: index) {
            index += head.length
            guard let size = head.size.flatMap(Int.init(exactly:)), size <= end - index else { return nil }
            switch head.id {
            case EBMLID.block: track = Self.head(of: buffer, at: index, end: end)?.track
            case EBMLID.referenceBlock: refersToOthers = true
            default: break
            }
            index += size
        }
        guard let track, index == end else { return nil }
        self.track = track
        isKeyFrame = !refersToOthers
    }

    /// Track number (a variable-size integer), relative timestamp (two bytes), flags (one byte).
    private static func head(of buffer: ByteBuffer, at index: Int, end: Int) -> (track: UInt64, flags: UInt8)? {
        guard case .value(let track) = buffer.ebmlVariableInteger(at: index) else { return nil }
        let flagsIndex = index + track.length + 2
        guard flagsIndex < end, let flags = buffer.getInteger(at: flagsIndex, as: UInt8.self) else { return nil }
        return (track.value, flags)
    }
}
