/// A SHA-256 hash.
public struct Hash256: Hashable, Sendable {
    // As FIPS 180-4 has it: the first word's highest byte is the hash's first.
    private var first: UInt64 = 0
    private var second: UInt64 = 0
    private var third: UInt64 = 0
    private var fourth: UInt64 = 0

    /// How long it is, in bytes.
    package static var length: Int { 32 }

    /// A hash of which every bit is 0, which is that of nothing anyone knows.
    public init() {}

    /// Makes it of its words.
    init(words first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        (self.first, self.second, self.third, self.fourth) = (first, second, third, fourth)
    }

    /// Makes it of its bytes; nil if they are not 32.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.length else { return nil }
        var reader = WireReader(bytes)
        self.init(&reader)
    }

    fileprivate init(_ reader: inout WireReader) {
        first = reader.uint64()
        second = reader.uint64()
        third = reader.uint64()
        fourth = reader.uint64()
    }

    fileprivate func write(to writer: inout WireWriter) {
        writer.uint64(first)
        writer.uint64(second)
        writer.uint64(third)
        writer.uint64(fourth)
    }

    /// The hash's bytes.
    package var bytes: [UInt8] {
        var writer = WireWriter(capacity: Self.length)
        write(to: &writer)
        return writer.bytes
    }
}

extension WireReader {
    mutating func hash() -> Hash256 { Hash256(&self) }
}

extension WireWriter {
    mutating func hash(_ hash: Hash256) { hash.write(to: &self) }
}
