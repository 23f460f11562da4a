import NIOCore

/// The identification header of Opus (RFC 7845, section 5.1).
enum OpusHead {
    /// The pre-skip of a stream that has no header: what libopus needs at 48 kHz.
    static let defaultPreSkip = 312
    static let sampleRate = 48_000

    /// The samples at 48 kHz to drop at the beginning; nil if the bytes are no header.
    static func preSkip(_ header: ByteBuffer) -> Int? {
        let start = header.readerIndex
        guard header.readableBytes >= 19, header.getString(at: start, length: 8) == "OpusHead" else { return nil }
        return header.getInteger(at: start + 10, endianness: .little, as: UInt16.self).map(Int.init)
    }

    /// A header of channel mapping family 0.
    static func make(_ audio: AudioParameters) -> ByteBuffer {
        var header = ByteBuffer(string: "OpusHead")
        header.writeInteger(UInt8(1))
        header.writeInteger(UInt8(clamping: audio.numberOfChannels))
        header.writeInteger(UInt16(defaultPreSkip), endianness: .little)
        header.writeInteger(UInt32(clamping: audio.sampleRate), endianness: .little)
        header.writeInteger(UInt16(0))
        header.writeInteger(UInt8(0))
        return header
    }

    /// Nanoseconds of a number of samples.
    static func nanoseconds(samples: Int) -> Int {
        (samples * 1_000_000_000 + sampleRate / 2) / sampleRate
    }
}

/// A packet of Opus (RFC 6716, section 3.1).
enum OpusPacket {
    /// How long it sounds, in microseconds; nil if it is malformed.
    static func duration(_ packet: ByteBuffer) -> UInt32? {
        let start = packet.readerIndex
        guard let toc = packet.getInteger(at: start, as: UInt8.self) else { return nil }
        let frame: UInt32
        switch toc >> 3 {
        case 0..<12: frame = [10_000, 20_000, 40_000, 60_000][Int(toc >> 3) % 4]
        case 12..<16: frame = [10_000, 20_000][Int(toc >> 3) % 2]
        default: frame = [2500, 5000, 10_000, 20_000][Int(toc >> 3) % 4]
        }
        let count: UInt32
        switch toc & 3 {
        case 0: count = 1
        case 1, 2: count = 2
        default:
            guard let byte = packet.getInteger(at: start + 1, as: UInt8.self) else { return nil }
            count = UInt32(byte & 0x3F)
        }
        let total = frame * count
        return (1...120_000).contains(total) ? total : nil
    }
}
