/// The public key of a source, by which everyone checks what it signed: Ed25519 (RFC 8032).
public struct SourceKey: Hashable, Sendable {
    /// How long it is, in bytes.
    public static var length: Int { 32 }

    /// ``length`` bytes.
    public let bytes: [UInt8]

    /// Makes a key of its bytes; nil if it is not so many. Whether they are a key at all, the host finds out.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        self.bytes = bytes
    }

    /// The id of this source's tree, which nobody else can have.
    ///
    /// `s`, and 155 bits of a hash of the key in base 32 (RFC 4648), in small letters. What servers make begins otherwise.
    public var treeID: Text {
        var writer = WireWriter(capacity: 64)
        writer.context("peer-tree tree 1")
        writer.bytes(bytes)
        return Text([Self.prefix] + Self.base32(SHA256Hasher.hash(writer.bytes).bytes))
    }

    /// Whether the id is that of a signed tree, of whichever source: nothing unsigned is in it.
    public static func isTreeID(_ text: Text) -> Bool {
        text.bytes.count == treeIDLength && text.bytes.first == prefix && text.bytes.dropFirst().allSatisfy(isDigit)
    }

    private static let treeIDLength = 32
    private static let prefix = UInt8(ascii: "s")

    /// As many digits as an id has room for.
    private static func base32(_ hash: [UInt8]) -> [UInt8] {
        (0..<treeIDLength - 1).map { index in
            let bit = index * 5
            let two = UInt16(hash[bit / 8]) << 8 | UInt16(hash[bit / 8 + 1])
            return digit(UInt8(truncatingIfNeeded: two >> UInt16(11 - bit % 8)) & 31)
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 26 ? UInt8(ascii: "a") + value : UInt8(ascii: "2") + value - 26
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "2")...UInt8(ascii: "7")).contains(byte)
    }
}
