public import NIOCore

/// An encoded frame of a track, and its message: a header of 24 bytes, then the frame as WebCodecs has it.
public struct MediaFrame: Sendable, Hashable {
    /// The bytes before the frame.
    public static let headerBytes = 24

    private static let type: UInt8 = 1
    private static let keyFrame: UInt8 = 1

    /// The track's id in the catalog.
    public var track: UInt8
    /// Whether a decoder can start here.
    public var isKeyFrame: Bool
    /// Counts the frames of the track from 0, modulo 2³².
    public var number: UInt32
    /// When to present it: microseconds, one timeline for all tracks.
    public var timestamp: Int64
    /// Microseconds; 0 if not known. The last frame of an audio track may be shorter than its codec says: what is
    /// decoded beyond is not played.
    public var duration: UInt32
    /// The frame as WebCodecs has it in `EncodedVideoChunk.copyTo`.
    public var payload: ByteBuffer

    /// Makes a frame.
    public init(
        track: UInt8,
        isKeyFrame: Bool,
        number: UInt32,
        timestamp: Int64,
        duration: UInt32 = 0,
        payload: ByteBuffer
    ) {
        self.track = track
        self.isKeyFrame = isKeyFrame
        self.number = number
        self.timestamp = timestamp
        self.duration = duration
        self.payload = payload
    }

    /// Reads a message; nil if it is no frame. Such messages are ignored.
    public init?(message: ByteBuffer) {
        let start = message.readerIndex
        guard message.readableBytes >= Self.headerBytes,
            let type = message.getInteger(at: start, as: UInt8.self), type == Self.type,
            let length = message.getInteger(at: start + 1, as: UInt8.self), length >= Self.headerBytes,
            let payload = message.getSlice(at: start + Int(length), length: message.readableBytes - Int(length)),
            let track = message.getInteger(at: start + 2, as: UInt8.self),
            let flags = message.getInteger(at: start + 3, as: UInt8.self),
            let number = message.getInteger(at: start + 4, as: UInt32.self),
            let timestamp = message.getInteger(at: start + 8, as: Int64.self),
            let duration = message.getInteger(at: start + 16, as: UInt32.self)
        else { return nil }
        self.init(
            track: track,
            isKeyFrame: flags & Self.keyFrame != 0,
            number: number,
            timestamp: timestamp,
            duration: duration,
            payload: payload
        )
    }

    /// The message of the frame.
    public func encoded() -> ByteBuffer {
        var message = ByteBufferAllocator().buffer(capacity: Self.headerBytes + payload.readableBytes)
        message.writeInteger(Self.type)
        message.writeInteger(UInt8(Self.headerBytes))
        message.writeInteger(track)
        message.writeInteger(isKeyFrame ? Self.keyFrame : 0)
        message.writeInteger(number)
        message.writeInteger(timestamp)
        message.writeInteger(duration)
        message.writeInteger(UInt32(0))
        message.writeImmutableBuffer(payload)
        return message
    }
}
