import Crypto

/// The secret with which a server signs what peers keep for it, above all their resume tokens.
///
/// A server that is started again with the same key believes the tokens it gave out before, and rebuilds its trees from
/// them. Whoever has the key can pretend to be any peer of any tree.
public struct StateKey: Sendable {
    /// How many bytes a key has.
    public static let byteCount = 32

    /// The key itself.
    public let bytes: [UInt8]
    /// Whether an earlier run of the server may have had it, so that there may be peers to come back.
    public let isKept: Bool
    /// Begins each code: to take in a key is half of what a short message costs.
    private let keyed: HMAC<SHA256>

    /// A new random key: nothing signed before is believed.
    public init() {
        var random = SystemRandomNumberGenerator()
        self.init((0..<Self.byteCount).map { _ in UInt8.random(in: 0...255, using: &random) }, isKept: false)
    }

    /// A key that was kept.
    ///
    /// - Parameter bytes: ``byteCount`` bytes; nil is returned for any other number.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init(bytes, isKept: true)
    }

    /// A key made of a secret of any length, which should be as hard to guess as 128 random bits.
    public init(secret: String) {
        self.init(Array(SHA256.hash(data: Array("peer-tree state key\0".utf8) + Array(secret.utf8))), isKept: true)
    }

    private init(_ bytes: [UInt8], isKept: Bool) {
        self.bytes = bytes
        self.isKept = isKept
        keyed = HMAC(key: SymmetricKey(data: bytes))
    }

    /// Signs `message` for one `purpose`, so that a signature for one thing is none for another (HMAC-SHA256, RFC 2104).
    func signature(of message: [UInt8], purpose: String) -> [UInt8] {
        var code = keyed
        code.update(data: Array(purpose.utf8) + [0])
        code.update(data: message)
        return Array(code.finalize())
    }
}
