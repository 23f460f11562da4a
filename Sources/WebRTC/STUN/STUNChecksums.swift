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

/// HMAC-SHA1, which MESSAGE-INTEGRITY uses (RFC 8489 section 14.5).
enum HMACSHA1 {
    /// 20 bytes, or none when the library refuses (then nothing authenticates, which is the safe side).
    static func code(for message: [UInt8], key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: 20)
        var length: UInt32 = 0
        let result = HMAC(EVP_sha1(), key, Int32(key.count), message, message.count, &code, &length)
        return result != nil && length == 20 ? code : []
    }
}
