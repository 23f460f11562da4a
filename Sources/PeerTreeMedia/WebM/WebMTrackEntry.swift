import NIOCore

/// A track of a WebM or Matroska file, as its header describes it.
struct WebMTrackEntry: Equatable {
    /// By which blocks name it.
    var number: UInt64 = 0
    /// 1 video, 2 audio; others are of no interest here.
    var type: UInt64 = 0
    var codecID = ""
    var codecPrivate: ByteBuffer?
    /// Nanoseconds to take off every timestamp.
    var codecDelay: UInt64 = 0
    /// Nanoseconds that a frame lasts; nil if it is not told.
    var defaultDuration: UInt64?
    var hasEncodings = false
    var pixelWidth: UInt64 = 0
    var pixelHeight: UInt64 = 0
    var displayWidth: UInt64?
    var displayHeight: UInt64?
    var displayUnit: UInt64 = 0
    var samplingFrequency = 8000.0
    var outputSamplingFrequency: Double?
    var channels: UInt64 = 1

    static let videoType: UInt64 = 1
    static let audioType: UInt64 = 2

    /// Reads the payload of a TrackEntry; nil if it is malformed.
    init?(_ buffer: ByteBuffer, in range: Range<Int>) {
        let isWhole = buffer.forEachEBMLChild(in: range) { id, index, length in
            read(id, of: buffer, at: index, length: length)
        }
        guard isWhole, number != 0 else { return nil }
    }

    private mutating func read(_ id: UInt32, of buffer: ByteBuffer, at index: Int, length: Int) {
        func unsigned() -> UInt64 { buffer.ebmlUnsigned(at: index, length: length) ?? 0 }
        switch id {
        case EBMLID.trackNumber: number = unsigned()
        case EBMLID.trackType: type = unsigned()
        case EBMLID.codecID: codecID = buffer.ebmlText(at: index, length: min(length, 64))
        case EBMLID.codecPrivate: codecPrivate = buffer.getSlice(at: index, length: length)
        case EBMLID.codecDelay: codecDelay = unsigned()
        case EBMLID.defaultDuration: defaultDuration = unsigned()
        case EBMLID.contentEncodings: hasEncodings = true
        case EBMLID.pixelWidth: pixelWidth = unsigned()
        case EBMLID.pixelHeight: pixelHeight = unsigned()
        case EBMLID.displayWidth: displayWidth = unsigned()
        case EBMLID.displayHeight: displayHeight = unsigned()
        case EBMLID.displayUnit: displayUnit = unsigned()
        case EBMLID.samplingFrequency: samplingFrequency = buffer.ebmlFloat(at: index, length: length) ?? 0
        case EBMLID.outputSamplingFrequency: outputSamplingFrequency = buffer.ebmlFloat(at: index, length: length)
        case EBMLID.channels: channels = unsigned()
        case EBMLID.video, EBMLID.audio:
            // Neither has children that have the id of one outside.
            buffer.forEachEBMLChild(in: index..<index + length) { id, index, length in
                if id != EBMLID.video, id != EBMLID.audio { read(id, of: buffer, at: index, length: length) }
            }
        default: break
        }
    }

    /// How the catalog describes the track; its codec is empty if it takes a key frame to tell.
    ///
    /// - Throws: ``UnusableTrack`` with the reason why it cannot be carried.
    func mediaTrack(id: UInt8) throws(UnusableTrack) -> (track: MediaTrack, codec: WebMCodec) {
        guard let codec = WebMCodec(rawValue: codecID), codec.isVideo == (type == Self.videoType) else {
            throw UnusableTrack("the codec \(printableCodecID) has no place in WebCodecs")
        }
        guard !hasEncodings else { throw UnusableTrack("its blocks are encrypted or compressed") }
        let parameters = try type == Self.videoType ? videoParameters() : audioParameters()
        let track = MediaTrack(
            id: id,
            codec: try codec.codec(codecPrivate: codecPrivate) ?? "",
            codecDescription: codec.codecDescription(codecPrivate: codecPrivate),
            parameters: parameters
        )
        return (track, codec)
    }

    private var printableCodecID: String {
        String(codecID.unicodeScalars.filter { $0.isASCII && $0.value > 0x20 && $0.value < 0x7F }.map(Character.init))
    }

    private func videoParameters() throws(UnusableTrack) -> MediaTrack.Parameters {
        let sides = 1...UInt64(VideoParameters.maximumSide)
        guard sides.contains(pixelWidth), sides.contains(pixelHeight) else {
            throw UnusableTrack("a size of \(pixelWidth)x\(pixelHeight) pixels")
        }
        var aspect: VideoParameters.DisplayAspect?
        // Pixels, or a ratio; centimetres and inches are of no use.
        if displayUnit == 0 || displayUnit == 3, let displayWidth, let displayHeight, sides.contains(displayWidth),
            sides.contains(displayHeight), displayWidth * pixelHeight != displayHeight * pixelWidth
        {
            aspect = VideoParameters.DisplayAspect(width: Int(displayWidth), height: Int(displayHeight))
        }
        return .video(
            VideoParameters(
                codedWidth: Int(pixelWidth),
                codedHeight: Int(pixelHeight),
                displayAspect: aspect,
                framerate: framerate
            )
        )
    }

    /// Frames a second by the duration of one, if that makes sense.
    private var framerate: Double? {
        guard let defaultDuration, (1_000_000...10_000_000_000).contains(defaultDuration) else { return nil }
        return 1e9 / Double(defaultDuration)
    }

    private func audioParameters() throws(UnusableTrack) -> MediaTrack.Parameters {
        let rate = (outputSamplingFrequency ?? samplingFrequency).rounded()
        guard rate >= 1, rate <= 768_000, (1...32).contains(channels) else {
            throw UnusableTrack("\(channels) channels at \(rate) Hz")
        }
        return .audio(AudioParameters(sampleRate: Int(rate), numberOfChannels: Int(channels)))
    }
}
