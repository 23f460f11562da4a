import NIOCore

/// A track of a file that is being written.
struct WebMTrackWriter {
    let media: MediaTrack
    let codec: WebMCodec
    /// Nanoseconds that a frame lasts, where all last as long; nil otherwise.
    var defaultDuration: UInt64?
    /// The number of the next frame; nil before the first.
    var next: UInt32?
    /// Whether a decoder can do nothing with what comes before the next key frame.
    var needsKeyFrame = true
    /// The last frame's time in the file, in microseconds.
    var lastTime: Int64?
    /// The same in milliseconds, as it was written.
    private var lastMilliseconds: Int64?

    /// What the file needs to know of the track that only a key frame tells.
    private var size: (width: Int, height: Int)?
    private var codecPrivate: ByteBuffer?

    /// - Throws: ``MediaFormatError`` naming the track and why no file can have it.
    init(_ media: MediaTrack) throws(MediaFormatError) {
        guard let codec = WebMCodec(codec: media.codec), codec.isVideo == media.isVideo else {
            throw MediaFormatError("Track \(media.id) has the codec '\(media.codec)', which is not written to files.")
        }
        self.media = media
        self.codec = codec
        codecPrivate = media.codecDescription
        switch codec {
        case .h264, .aac, .vorbis:
            guard media.codecDescription != nil else {
                throw MediaFormatError("Track \(media.id), \(media.codec), comes without its description.")
            }
        case .opus:
            guard case .audio(let audio) = media.parameters else { break }
            if media.codecDescription.flatMap(OpusHead.preSkip) == nil { codecPrivate = OpusHead.make(audio) }
        case .av1:
            if media.codecDescription.flatMap({ AV1Configuration(av1C: $0) }) == nil { codecPrivate = nil }
        case .vp8, .vp9: codecPrivate = nil
        }
        if case .video(let video) = media.parameters, let width = video.codedWidth, let height = video.codedHeight {
            size = (width, height)
        }
    }

    /// Nanoseconds that a decoder swallows at the beginning.
    var codecDelay: Int {
        guard codec == .opus else { return 0 }
        return OpusHead.nanoseconds(samples: codecPrivate.flatMap(OpusHead.preSkip) ?? OpusHead.defaultPreSkip)
    }

    /// The same in microseconds.
    var delay: Int64 { Int64((codecDelay + 500) / 1000) }

    /// The time that is written for a frame. Pictures that a busy camera delivers within one millisecond, in order, get
    /// times one after the other: players drop a picture that has the time of the one before.
    mutating func milliseconds(at time: Int64) -> Int64 {
        var milliseconds = (time + 500) / 1000
        if let lastTime, let lastMilliseconds, lastTime <= time {
            milliseconds = max(milliseconds, lastMilliseconds + 1)
        }
        lastMilliseconds = milliseconds
        return milliseconds
    }

    /// Looks at the first key frame, before the header is written.
    mutating func learn(from frame: MediaFrame) {
        guard case .video(let video) = media.parameters else { return }
        // A rate that frames do not keep to would be a lie in the file.
        if let framerate = video.framerate, frame.duration > 0 {
            let nanoseconds = (1e9 / framerate).rounded()
            if abs(nanoseconds / 1000 - Double(frame.duration)) <= 1 { defaultDuration = UInt64(nanoseconds) }
        }
        switch codec {
        case .vp8: size = size ?? VP8KeyFrame(frame.payload).map { ($0.width, $0.height) }
        case .vp9: size = size ?? VP9KeyFrame(frame.payload).map { ($0.width, $0.height) }
        case .av1:
            let configuration = AV1Configuration(codec: media.codec)
            codecPrivate = codecPrivate ?? configuration?.av1C(keyFrame: frame.payload)
        default: break
        }
    }

    /// The frame as it is stored.
    func stored(_ payload: ByteBuffer) -> ByteBuffer {
        codec == .av1 ? AV1Unit.withoutDelimiter(payload) : payload
    }

    /// Writes the track's entry.
    func writeEntry(to tracks: inout ByteBuffer) {
        tracks.writeEBML(EBMLID.trackEntry) { entry in
            entry.writeEBML(EBMLID.trackNumber, unsigned: UInt64(media.id))
            entry.writeEBML(EBMLID.trackUID, unsigned: UInt64(media.id))
            entry.writeEBML(
                EBMLID.trackType,
                unsigned: codec.isVideo ? WebMTrackEntry.videoType : WebMTrackEntry.audioType
            )
            entry.writeEBML(EBMLID.flagLacing, unsigned: 0)
            entry.writeEBML(EBMLID.language, text: "und")
            entry.writeEBML(EBMLID.codecID, text: codec.rawValue)
            if let codecPrivate { entry.writeEBML(EBMLID.codecPrivate, bytes: codecPrivate) }
            if codec == .opus {
                entry.writeEBML(EBMLID.codecDelay, unsigned: UInt64(codecDelay))
                // RFC 7845, section 4.6: a decoder converges within 80 ms.
                entry.writeEBML(EBMLID.seekPreRoll, unsigned: 80_000_000)
            }
            if let defaultDuration { entry.writeEBML(EBMLID.defaultDuration, unsigned: defaultDuration) }
            writeParameters(to: &entry)
        }
    }

    private func writeParameters(to entry: inout ByteBuffer) {
        switch media.parameters {
        case .video(let video):
            entry.writeEBML(EBMLID.video) { element in
                // A picture of unknown size is decoded all the same; the elements are mandatory and not zero.
                element.writeEBML(EBMLID.pixelWidth, unsigned: UInt64(max(1, size?.width ?? 1)))
                element.writeEBML(EBMLID.pixelHeight, unsigned: UInt64(max(1, size?.height ?? 1)))
                guard let aspect = video.displayAspect else { return }
                element.writeEBML(EBMLID.displayWidth, unsigned: UInt64(aspect.width))
                element.writeEBML(EBMLID.displayHeight, unsigned: UInt64(aspect.height))
                // A ratio, not pixels.
                element.writeEBML(EBMLID.displayUnit, unsigned: 3)
            }
        case .audio(let audio):
            entry.writeEBML(EBMLID.audio) { element in
                element.writeEBML(EBMLID.samplingFrequency, float: Double(audio.sampleRate))
                element.writeEBML(EBMLID.channels, unsigned: UInt64(audio.numberOfChannels))
            }
        }
    }
}
