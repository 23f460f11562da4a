package import NIOCore

/// Base 64 (RFC 4648, sections 4 and 5), strict: padding is required, nothing but the alphabet is accepted.
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let urlAlphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xFF, count: 256)
        for (value, byte) in alphabet.enumerated() { table[Int(byte)] = UInt8(value) }
        return table
    }()

    /// Appends the padded encoding of `bytes`.
    package static func encode(_ bytes: some Sequence<UInt8>, into buffer: inout ByteBuffer) {
        var group: UInt32 = 0
        var count = 0
        for byte in bytes {
            group = group << 8 | UInt32(byte)
            count += 1
            if count == 3 {
                for shift in [18, 12, 6, 0] as [UInt32] { buffer.writeInteger(alphabet[Int(group >> shift & 63)]) }
                (group, count) = (0, 0)
            }
        }
        if count == 1 {
            buffer.writeInteger(alphabet[Int(group >> 2 & 63)])
            buffer.writeInteger(alphabet[Int(group << 4 & 63)])
            buffer.writeStaticString("==")
        } else if count == 2 {
            buffer.writeInteger(alphabet[Int(group >> 10 & 63)])
            buffer.writeInteger(alphabet[Int(group >> 4 & 63)])
            buffer.writeInteger(alphabet[Int(group << 2 & 63)])
            buffer.writeInteger(UInt8(ascii: "="))
        }
    }

    /// The bytes behind a padded encoding; nil if it is malformed.
    package static func decode(_ text: some BidirectionalCollection<UInt8>) -> ByteBuffer? {
        let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2, text.count % 4 == 0 else { return nil }
        var buffer = ByteBuffer()
        buffer.reserveCapacity(text.count / 4 * 3)
        var group: UInt32 = 0
        var count = 0
        for byte in text.dropLast(padding) {
            let value = values[Int(byte)]
            guard value < 64 else { return nil }
            group = group << 6 | UInt32(value)
            count += 1
            if count == 4 {
                buffer.writeMultipleIntegers(UInt8(group >> 16 & 255), UInt8(group >> 8 & 255), UInt8(group & 255))
                (group, count) = (0, 0)
            }
        }
        switch count {
        case 2: buffer.writeInteger(UInt8(group >> 4 & 255))
        case 3: buffer.writeMultipleIntegers(UInt8(group >> 10 & 255), UInt8(group >> 2 & 255))
        default: break
        }
        return buffer
    }

    /// An unguessable identifier of 20 base64url characters (120 random bits), like those of the reference server.
    package static func randomIdentifier(using generator: inout some RandomNumberGenerator) -> String {
        String(unsafeUninitializedCapacity: 20) { characters in
            for word in 0..<2 {
                var bits = generator.next()
                for index in 0..<10 {
                    characters[word * 10 + index] = urlAlphabet[Int(bits & 63)]
                    bits >>= 6
                }
            }
            return 20
        }
    }
}
