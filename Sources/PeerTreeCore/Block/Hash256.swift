/// A SHA-256 hash.
public struct Hash256: Hashable, Sendable {
    /// As FIPS 180-4 has it: the first word's highest byte is the hash's first.
    var words: SIMD8<UInt32>

    /// How long it is, in bytes.
    package static var length: Int { 32 }

    init(words: SIMD8<UInt32>) {
        self.words = words
    }

    /// A hash of which every bit is 0, which is that of nothing anyone knows.
    public init() {
        words = SIMD8()
    }

    /// Makes it of its bytes; nil if they are not 32.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.length else { return nil }
        words = SIMD8()
        for index in 0..<8 {
            words[index] = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
        }
    }

    /// The hash's bytes.
    package var bytes: [UInt8] {
        var writer = WireWriter(capacity: Self.length)
        writer.hash(self)
        return writer.bytes
    }
}

extension WireReader {
    mutating func hash() -> Hash256 {
        var hash = Hash256(words: SIMD8())
        for index in 0..<8 { hash.words[index] = uint32() }
        return hash
    }
}

extension WireWriter {
    mutating func hash(_ hash: Hash256) {
        for index in 0..<8 { uint32(hash.words[index]) }
    }
}
