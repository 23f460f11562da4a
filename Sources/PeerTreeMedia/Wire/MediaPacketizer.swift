public import NIOCore

/// A message of a media stream and how it is marked.
public struct MediaMessage: Sendable, Hashable {
    /// Its bytes, or its text in UTF-8.
    public var payload: ByteBuffer
    /// Whether it is text.
    public var isText: Bool
    /// Whether a viewer can start with it.
    public var isJoinPoint: Bool
    /// Under which key it is retained; nil if it is not.
    public var retainedKey: UInt16?
    /// When to present its frame, in microseconds; nil if it is none.
    public var timestamp: Int64?
}

/// Turns a catalog and frames into the messages of a stream.
///
/// Every catalog that says something new is a retained message; key frames of the first video track are join points.
/// A stream without video has one at its first audio frame and then at most one a second.
public struct MediaPacketizer: Sendable {
    /// How far join points of a stream without video are apart, in microseconds.
    private static let audioJoinInterval: Int64 = 1_000_000

    private var catalog: MediaCatalog?
    private var primary: MediaTrack?
    private var lastJoinPoint: Int64?

    /// Makes one at the beginning of a stream.
    public init() {}

    /// The message of a catalog; nil if the last one said the same.
    ///
    /// - Throws: ``MediaFormatError`` if it is too large.
    public mutating func describe(_ catalog: MediaCatalog) throws(MediaFormatError) -> MediaMessage? {
        guard catalog != self.catalog else { return nil }
        let text = try catalog.encoded()
        self.catalog = catalog
        primary = catalog.tracks.first { $0.isVideo } ?? catalog.tracks.first
        lastJoinPoint = nil
        return MediaMessage(payload: text, isText: true, isJoinPoint: false, retainedKey: MediaKey.catalog)
    }

    /// The message of a frame.
    public mutating func message(of frame: MediaFrame) -> MediaMessage {
        let isJoinPoint = isJoinPoint(frame)
        if isJoinPoint { lastJoinPoint = frame.timestamp }
        return MediaMessage(
            payload: frame.encoded(),
            isText: false,
            isJoinPoint: isJoinPoint,
            retainedKey: nil,
            timestamp: frame.timestamp
        )
    }

    private func isJoinPoint(_ frame: MediaFrame) -> Bool {
        guard let primary, frame.track == primary.id, frame.isKeyFrame else { return false }
        guard !primary.isVideo, let lastJoinPoint else { return true }
        return frame.timestamp.subtractingReportingOverflow(lastJoinPoint).partialValue >= Self.audioJoinInterval
    }
}
