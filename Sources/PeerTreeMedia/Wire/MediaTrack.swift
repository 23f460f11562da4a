public import NIOCore

/// One track of a media stream, in the terms of WebCodecs' `VideoDecoderConfig` and `AudioDecoderConfig`.
public struct MediaTrack: Sendable, Hashable {
    /// What only one kind of track has.
    public enum Parameters: Sendable, Hashable {
        case video(VideoParameters)
        case audio(AudioParameters)
    }

    /// The number by which frames name the track: 1 to 255, unique within a catalog.
    public var id: UInt8
    /// The codec as the WebCodecs registry writes it, such as `vp8`, `vp09.00.10.08` or `opus`.
    public var codec: String
    /// The codec's configuration, such as an OpusHead; nil where it needs none.
    public var codecDescription: ByteBuffer?
    /// What only a video or an audio track has.
    public var parameters: Parameters
    /// Bits a second that the encoder aims at, if that is known.
    public var bitrate: Double?

    /// Makes a track.
    public init(
        id: UInt8,
        codec: String,
        codecDescription: ByteBuffer? = nil,
        parameters: Parameters,
        bitrate: Double? = nil
    ) {
        self.id = id
        self.codec = codec
        self.codecDescription = codecDescription
        self.parameters = parameters
        self.bitrate = bitrate
    }

    /// Whether this is a video track.
    public var isVideo: Bool {
        if case .video = parameters { true } else { false }
    }
}

/// What a video track has.
public struct VideoParameters: Sendable, Hashable {
    /// The most pixels in a row or a column.
    public static let maximumSide = 16_384

    /// Pixels, 1 to ``maximumSide``; nil if the source did not say.
    public var codedWidth: Int?
    /// Pixels, 1 to ``maximumSide``; nil if the source did not say.
    public var codedHeight: Int?
    /// The shape of the picture where pixels are not square.
    public var displayAspect: DisplayAspect?
    /// Frames a second, if that is known.
    public var framerate: Double?

    /// The ratio of a picture's width to its height.
    public struct DisplayAspect: Sendable, Hashable {
        /// In units of its own.
        public var width: Int
        /// In the same units.
        public var height: Int

        /// Makes a ratio.
        public init(width: Int, height: Int) {
            self.width = width
            self.height = height
        }
    }

    /// Makes parameters.
    public init(
        codedWidth: Int?,
        codedHeight: Int?,
        displayAspect: DisplayAspect? = nil,
        framerate: Double? = nil
    ) {
        self.codedWidth = codedWidth
        self.codedHeight = codedHeight
        self.displayAspect = displayAspect
        self.framerate = framerate
    }
}

/// What an audio track has.
public struct AudioParameters: Sendable, Hashable {
    /// Hertz, 1 to 768,000.
    public var sampleRate: Int
    /// 1 to 32.
    public var numberOfChannels: Int

    /// Makes parameters.
    public init(sampleRate: Int, numberOfChannels: Int) {
        self.sampleRate = sampleRate
        self.numberOfChannels = numberOfChannels
    }
}
