/// The exclusive or over chunks of a row: over that of the data it is the payload of the parity chunk, over that and all data
/// but one it is the one.
///
/// What is combined of a chunk is its entry: how long the payload is, the header, the payload, and zeros up to the length of
/// the longest.
struct Parity {
    private(set) var bytes: [UInt8] = []

    /// What stands before the payload in an entry.
    static let prefixLength = 2 + ChunkHeader.length

    /// Takes in the entry of a data chunk.
    mutating func add(_ header: ChunkHeader, _ payload: borrowing some FrameBuffer) {
        var prefix = WireWriter(capacity: Self.prefixLength)
        prefix.uint16(UInt16(truncatingIfNeeded: payload.count))
        header.write(to: &prefix, as: .chunk)
        prefix.bytes.withUnsafeBytes { combine($0, at: 0) }
        payload.withPrefix(payload.count) { combine($0, at: Self.prefixLength) }
    }

    /// Takes in the payload of the parity chunk.
    mutating func add(parity payload: borrowing some FrameBuffer) {
        payload.withPrefix(payload.count) { combine($0, at: 0) }
    }

    private mutating func combine(_ other: UnsafeRawBufferPointer, at offset: Int) {
        if bytes.count < offset + other.count {
            bytes.append(contentsOf: repeatElement(0, count: offset + other.count - bytes.count))
        }
        bytes.withUnsafeMutableBytes { bytes in
            let target = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + other.count])
            Self.combine(other, into: target)
        }
    }

    /// Sixteen bytes at a time: a register of whatever this runs on. Where code is to be small, as in WebAssembly, no compiler
    /// makes vectors of a loop over less.
    private static func combine(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) {
        let vectors = target.count & ~15
        for offset in stride(from: 0, to: vectors, by: 16) {
            let vector = source.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
            let held = target.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
            target.storeBytes(of: vector ^ held, toByteOffset: offset, as: SIMD16<UInt8>.self)
        }
        for offset in vectors..<target.count { target[offset] ^= source[offset] }
    }

    /// The one chunk whose entry is left; nil if it is none.
    func entry<Buffer: FrameBuffer>() -> (header: ChunkHeader, payload: Buffer)? {
        guard bytes.count >= Self.prefixLength else { return nil }
        let read: (count: UInt16, header: ChunkHeader)? = bytes.withUnsafeBytes { bytes in
            var reader = WireReader(bytes)
            let count = reader.uint16()
            return (try? ChunkHeader(strictly: &reader)).map { (count, $0) }
        }
        guard let read, Self.prefixLength + Int(read.count) <= bytes.count else { return nil }
        let whole = Buffer(bytes: bytes)
        return (read.header, whole.slice(from: Self.prefixLength, to: Self.prefixLength + Int(read.count)))
    }
}
