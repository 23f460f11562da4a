import NIOCore

/// Codec strings from the configurations of H.264 and AAC (RFC 6381, section 3.3).
enum MPEG4Codec {
    /// The codec string of an `avcC`: profile, constraints and level.
    static func h264(avcC: ByteBuffer) -> String? {
        guard let bytes = avcC.getBytes(at: avcC.readerIndex, length: 7), bytes[0] == 1 else { return nil }
        return "avc1." + bytes[1...3].map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined()
    }

    /// The codec string of an AudioSpecificConfig: its object type.
    static func aac(_ configuration: ByteBuffer) -> String? {
        var reader = BitReader(configuration)
        guard var type = reader.bits(5) else { return nil }
        if type == 31 {
            guard let extended = reader.bits(6) else { return nil }
            type = 32 + extended
        }
        return type == 0 ? nil : "mp4a.40.\(type)"
    }
}
