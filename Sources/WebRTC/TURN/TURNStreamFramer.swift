/// Cuts a stream from a TURN server into STUN messages and channel data (RFC 8656 section 12.5, RFC 8489 section 6.2.2):
/// append bytes, then take frames until there is none. Frames are parts of the buffer: let go of them before more is
/// appended, or all of it is copied.
struct TURNStreamFramer {
    enum Frame: Equatable {
        case message(ArraySlice<UInt8>)
        case channelData(UInt16, ArraySlice<UInt8>)
    }

    /// The stream carries something else than TURN.
    struct Malformed: Error, Equatable {}

    private var buffer: [UInt8] = []
    private var start = 0

    mutating func append(_ bytes: some Sequence<UInt8>) {
        self.buffer.append(contentsOf: bytes)
    }

    /// The next complete frame. The buffer never holds more than one incomplete one, of 64 KiB at most, beside what was
    /// appended last.
    mutating func next() throws(Malformed) -> Frame? {
        let available = self.buffer.count - self.start
        guard available >= 4 else { return self.compact() }
        let first = self.buffer.uint16(at: self.start)
        let length = Int(self.buffer.uint16(at: self.start + 2))
        switch first >> 14 {
        case 0:
            guard length % 4 == 0 else { throw Malformed() }
            guard available >= 20 + length else { return self.compact() }
            defer { self.start += 20 + length }
            return .message(self.buffer[self.start..<(self.start + 20 + length)])
        case 1:
            // Padded to four bytes on a stream; the length does not count that.
            let padded = (length + 3) & ~3
            guard available >= 4 + padded else { return self.compact() }
            defer { self.start += 4 + padded }
            return .channelData(first, self.buffer[(self.start + 4)..<(self.start + 4 + length)])
        default:
            throw Malformed()
        }
    }

    private mutating func compact() -> Frame? {
        if self.start > 0 {
            self.buffer.removeFirst(self.start)
            self.start = 0
        }
        return nil
    }
}
