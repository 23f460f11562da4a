import NIOCore

/// The four fixed bytes of `av1C`, the configuration of an AV1 track (AV1 in ISO base media files, section 2.3).
struct AV1Configuration: Equatable {
    var profile: UInt8
    var level: UInt8
    var isHighTier = false
    var bitDepth = 8
    var isMonochrome = false
    /// chroma_subsampling_x, chroma_subsampling_y and chroma_sample_position, as they stand in `av1C`.
    var subsampling: UInt8 = 0b1100

    /// Reads the beginning of an `av1C`.
    init?(av1C: ByteBuffer) {
        guard let bytes = av1C.getBytes(at: av1C.readerIndex, length: 4), bytes[0] == 0x81 else { return nil }
        profile = bytes[1] >> 5
        level = bytes[1] & 0x1F
        isHighTier = bytes[2] & 0x80 != 0
        bitDepth = bytes[2] & 0x40 == 0 ? 8 : bytes[2] & 0x20 == 0 ? 10 : 12
        isMonochrome = bytes[2] & 0x10 != 0
        subsampling = bytes[2] & 0x0F
    }

    /// Reads a codec string such as `av01.0.04M.08`, or the long form with monochrome and chroma subsampling.
    init?(codec: String) {
        let parts = codec.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0] == "av01", let profile = UInt8(parts[1]), profile <= 2,
            let level = UInt8(parts[2].dropLast()), level <= 31, let tier = parts[2].last, tier == "M" || tier == "H",
            let bitDepth = Int(parts[3]), [8, 10, 12].contains(bitDepth)
        else { return nil }
        self.profile = profile
        self.level = level
        self.isHighTier = tier == "H"
        self.bitDepth = bitDepth
        if profile == 1 { subsampling = 0 }
        guard parts.count > 5 else { return }
        isMonochrome = parts[4] == "1"
        let digits = parts[5].utf8.map { $0 &- UInt8(ascii: "0") }
        guard digits.count == 3, digits[0] <= 1, digits[1] <= 1, digits[2] <= 3 else { return nil }
        subsampling = digits[0] << 3 | digits[1] << 2 | digits[2]
    }

    /// The codec string.
    var codec: String {
        let tier = isHighTier ? "H" : "M"
        return "av01.\(profile).\(level < 10 ? "0" : "")\(level)\(tier).\(bitDepth < 10 ? "0" : "")\(bitDepth)"
    }

    /// An `av1C` with the sequence header of a key frame, if that is in it.
    func av1C(keyFrame: ByteBuffer) -> ByteBuffer {
        let depth: UInt8 = bitDepth == 12 ? 0x60 : bitDepth == 10 ? 0x40 : 0
        let third = (isHighTier ? 0x80 : 0) | depth | (isMonochrome ? 0x10 : 0) | subsampling
        var result = ByteBuffer(bytes: [0x81, profile << 5 | level, third, 0])
        if var header = AV1Unit.sequenceHeader(of: keyFrame) { result.writeBuffer(&header) }
        return result
    }
}

/// Open bitstream units, the parts of a frame of AV1 (AV1 bitstream specification, section 5.3).
enum AV1Unit {
    private static let sequenceHeader: UInt8 = 1

    /// The whole unit with the sequence header, if it is among the first ones of a frame.
    static func sequenceHeader(of frame: ByteBuffer) -> ByteBuffer? {
        var index = frame.readerIndex
        for _ in 0..<8 {
            guard let unit = unit(of: frame, at: index) else { return nil }
            if unit.type == sequenceHeader { return frame.getSlice(at: index, length: unit.length) }
            index += unit.length
        }
        return nil
    }

    /// The frame without the temporal delimiter at its beginning, which is not stored in Matroska.
    static func withoutDelimiter(_ frame: ByteBuffer) -> ByteBuffer {
        guard frame.getInteger(at: frame.readerIndex, as: UInt16.self) == 0x1200 else { return frame }
        var frame = frame
        frame.moveReaderIndex(forwardBy: 2)
        return frame
    }

    /// Type and whole length of the unit at an index; nil if it has no size of its own or is cut short.
    private static func unit(of frame: ByteBuffer, at index: Int) -> (type: UInt8, length: Int)? {
        guard let head = frame.getInteger(at: index, as: UInt8.self), head & 0x02 != 0 else { return nil }
        var position = index + (head & 0x04 != 0 ? 2 : 1)
        var size = 0
        for shift in stride(from: 0, through: 28, by: 7) {
            guard let byte = frame.getInteger(at: position, as: UInt8.self) else { return nil }
            position += 1
            size |= Int(byte & 0x7F) << shift
            if byte & 0x80 == 0 {
                guard size <= frame.writerIndex - position else { return nil }
                return (head >> 3 & 0x0F, position + size - index)
            }
        }
        return nil
    }
}
