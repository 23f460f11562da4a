import COpenSSL

/// The CRC-32 of ITU V.42, which FINGERPRINT uses (RFC 8489 section 14.7).
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
    }

    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        ~bytes.reduce(0xFFFF_FFFF) { crc, byte in
            Self.table[Int((crc ^ UInt32(byte)) & 0xFF)] ^ (crc >> 8)
        }
    }
}

/// The key of long-term credentials (RFC 8489 section 9.2.2).
enum LongTermKey {
    /// MD5 of user name, realm and password; none when the library refuses MD5 (then nothing authenticates).
    static func key(username: String, realm: String, password: String) -> [UInt8] {
        let text = Array("\(username):\(realm):\(password)".utf8)
        var digest = [UInt8](repeating: 0, count: 16)
        var length: UInt32 = 0
        let result = EVP_Digest(text, text.count, &digest, &length, EVP_md5(), nil)
        return result == 1 && length == 16 ? digest : []
    }
}

/// HMAC-SHA1 (RFC 2104), which MESSAGE-INTEGRITY uses (RFC 8489 section 14.5).
///
/// Built on the digest, because OpenSSL's own HMAC function looks its algorithms up anew for every message, which takes
/// longer than the hashing.
enum HMACSHA1 {
    private static let blockSize = 64
    private static let digestSize = 20
    // Safe: fetched once, and never changed; OpenSSL allows its use from any thread.
    nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "SHA1", nil)

    /// 20 bytes, or none when the library refuses (then nothing authenticates, which is the safe side).
    static func code(for message: [UInt8], key: [UInt8]) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { return [] }
        defer { EVP_MD_CTX_free(context) }
        var block = key.count > Self.blockSize ? Self.digest(context, [], key) : key
        guard !block.isEmpty || key.isEmpty else { return [] }
        block += [UInt8](repeating: 0, count: Self.blockSize - block.count)
        let inner = Self.digest(context, block.map { $0 ^ 0x36 }, message)
        return inner.isEmpty ? [] : Self.digest(context, block.map { $0 ^ 0x5C }, inner)
    }

    private static func digest(_ context: OpaquePointer, _ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: Self.digestSize)
        var length: UInt32 = 0
        guard EVP_DigestInit_ex2(context, Self.algorithm, nil) == 1,
            EVP_DigestUpdate(context, first, first.count) == 1,
            EVP_DigestUpdate(context, second, second.count) == 1,
            EVP_DigestFinal_ex(context, &code, &length) == 1, length == Self.digestSize
        else { return [] }
        return code
    }
}
