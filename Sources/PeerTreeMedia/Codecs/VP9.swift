import NIOCore

/// What a VP9 key frame says about its stream (VP9 bitstream specification, section 6.2).
struct VP9KeyFrame: Equatable {
    var profile: UInt32
    var bitDepth: Int
    var width: Int
    var height: Int

    /// Reads the head of a frame; nil if it is no key frame.
    init?(_ frame: ByteBuffer) {
        var reader = BitReader(frame)
        guard reader.bits(2) == 2, let low = reader.bits(1), let high = reader.bits(1) else { return nil }
        profile = high << 1 | low
        if profile == 3, reader.bits(1) != 0 { return nil }
        // show_existing_frame, frame_type (0 is a key frame), show_frame, error_resilient_mode, frame_sync_code.
        guard reader.bits(1) == 0, reader.bits(1) == 0, reader.bits(2) != nil, reader.bits(24) == 0x49_8342 else {
            return nil
        }
        bitDepth = 8
        if profile >= 2 {
            guard let isTwelve = reader.flag() else { return nil }
            bitDepth = isTwelve ? 12 : 10
        }
        guard let colorSpace = reader.bits(3) else { return nil }
        let isRGB = colorSpace == 7
        if !isRGB { _ = reader.bits(1) }
        if profile == 1 || profile == 3 { _ = reader.bits(isRGB ? 1 : 3) }
        guard let width = reader.bits(16), let height = reader.bits(16) else { return nil }
        self.width = Int(width) + 1
        self.height = Int(height) + 1
    }

    /// The codec string: profile, the lowest level that allows the size and rate, bit depth.
    func codec(framerate: Double?) -> String {
        Self.codec(
            profile: Int(profile),
            level: Self.level(width: width, height: height, framerate: framerate ?? 30),
            bitDepth: bitDepth
        )
    }

    static func codec(profile: Int, level: Int, bitDepth: Int) -> String {
        "vp09." + [profile, level, bitDepth].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ".")
    }

    /// VP9 levels: luma samples a second, luma samples a picture (https://www.webmproject.org/vp9/levels/).
    private static let levels: [(level: Int, rate: Double, picture: Int)] = [
        (10, 829_440, 36_864), (11, 2_764_800, 73_728), (20, 4_608_000, 122_880), (21, 9_216_000, 245_760),
        (30, 20_736_000, 552_960), (31, 36_864_000, 983_040), (40, 83_558_400, 2_228_224),
        (41, 160_432_128, 2_228_224), (50, 311_951_360, 8_912_896), (51, 588_251_136, 8_912_896),
        (52, 1_176_502_272, 8_912_896), (60, 1_176_502_272, 35_651_584), (61, 2_353_004_544, 35_651_584),
    ]

    private static func level(width: Int, height: Int, framerate: Double) -> Int {
        let picture = width * height
        return levels.first { picture <= $0.picture && Double(picture) * framerate <= $0.rate }?.level ?? 62
    }
}

/// The optional CodecPrivate of VP9: features, each an id, a length and a value (WebM container guidelines).
struct VP9CodecPrivate {
    var profile: Int?
    var level: Int?
    var bitDepth: Int?

    init(_ bytes: ByteBuffer) {
        var bytes = bytes
        while let id = bytes.readInteger(as: UInt8.self), let length = bytes.readInteger(as: UInt8.self),
            let value = bytes.readBytes(length: Int(length))
        {
            guard let first = value.first, length == 1 else { continue }
            switch id {
            case 1: profile = Int(first)
            case 2: level = Int(first)
            case 3: bitDepth = Int(first)
            default: break
            }
        }
    }

    /// The codec string; nil if something of it is missing or is out of range.
    var codec: String? {
        guard let profile, let level, let bitDepth, profile <= 3, (10...62).contains(level),
            [8, 10, 12].contains(bitDepth)
        else { return nil }
        return VP9KeyFrame.codec(profile: profile, level: level, bitDepth: bitDepth)
    }
}
