import NIOCore

/// The codecs that both WebM or Matroska and WebCodecs have, and what each calls them.
enum WebMCodec: String, CaseIterable {
    case vp8 = "V_VP8"
    case vp9 = "V_VP9"
    case av1 = "V_AV1"
    case h264 = "V_MPEG4/ISO/AVC"
    case opus = "A_OPUS"
    case vorbis = "A_VORBIS"
    case aac = "A_AAC"

    /// By the string of WebCodecs' registry.
    init?(codec: String) {
        let prefixes: [(String, WebMCodec)] = [
            ("vp09.", .vp9), ("av01.", .av1), ("avc1.", .h264), ("avc3.", .h264), ("mp4a.40.", .aac),
        ]
        switch codec {
        case "vp8": self = .vp8
        case "opus": self = .opus
        case "vorbis": self = .vorbis
        default:
            guard let known = prefixes.first(where: { codec.hasPrefix($0.0) }) else { return nil }
            self = known.1
        }
    }

    var isVideo: Bool {
        switch self {
        case .vp8, .vp9, .av1, .h264: true
        case .opus, .vorbis, .aac: false
        }
    }

    /// Whether WebM has it; otherwise a file is Matroska.
    var isWebM: Bool {
        switch self {
        case .vp8, .vp9, .av1, .opus, .vorbis: true
        case .h264, .aac: false
        }
    }

    /// Whether every frame stands for itself.
    var hasOnlyKeyFrames: Bool { !isVideo }

    /// The codec string by CodecPrivate.
    ///
    /// - Returns: nil if it takes a key frame to tell; of VP9 only.
    /// - Throws: ``UnusableTrack`` if CodecPrivate is missing or malformed.
    func codec(codecPrivate: ByteBuffer?) throws(UnusableTrack) -> String? {
        switch self {
        case .vp8: return "vp8"
        case .vp9: return codecPrivate.flatMap { VP9CodecPrivate($0).codec }
        case .opus: return "opus"
        case .vorbis where codecPrivate != nil: return "vorbis"
        case .av1:
            if let codec = codecPrivate.flatMap({ AV1Configuration(av1C: $0) })?.codec { return codec }
        case .h264:
            if let codec = codecPrivate.flatMap({ MPEG4Codec.h264(avcC: $0) }) { return codec }
        case .aac:
            if let codec = codecPrivate.flatMap({ MPEG4Codec.aac($0) }) { return codec }
        case .vorbis: break
        }
        throw UnusableTrack("\(rawValue) without a usable CodecPrivate")
    }

    /// What goes into the catalog as `description`.
    func codecDescription(codecPrivate: ByteBuffer?) -> ByteBuffer? {
        switch self {
        case .vp8, .vp9: nil
        case .opus: codecPrivate.flatMap { OpusHead.preSkip($0) == nil ? nil : $0 }
        case .av1, .h264, .vorbis, .aac: codecPrivate
        }
    }
}

/// Why a track cannot be carried, in a few words.
struct UnusableTrack: Error {
    var reason: String

    init(_ reason: String) {
        self.reason = reason
    }
}
