public import NIOCore

/// A run of consecutive bytes of a media stream, cut where it matters to a viewer.
///
/// The bytes of all pieces of a stream, in order, are the stream: nothing is added, dropped or changed.
public enum MediaPiece: Sendable, Hashable {
    /// Everything before the first cluster: what a viewer needs before any media, whenever it joins.
    /// A stream that starts over (a second EBML header) yields a second header, which replaces the first.
    case header(ByteBuffer)
    /// The beginning of a cluster, up to and including the block that told whether a viewer can start here.
    case clusterStart(ByteBuffer, startsWithKeyFrame: Bool)
    /// What follows: usually one block; also parts of a very large block, and what stands between and behind clusters.
    case clusterContinuation(ByteBuffer)
    /// Bytes that are not WebM, or no longer are.
    case opaque(ByteBuffer)

    /// The bytes of the piece.
    public var bytes: ByteBuffer {
        switch self {
        case .header(let bytes), .clusterStart(let bytes, _), .clusterContinuation(let bytes), .opaque(let bytes):
            bytes
        }
    }

    /// Whether a viewer that has the header can start with this piece.
    public var isJoinPoint: Bool {
        if case .clusterStart(_, startsWithKeyFrame: true) = self { true } else { false }
    }

    /// Whether every newcomer needs this piece before any other.
    public var isHeader: Bool {
        if case .header = self { true } else { false }
    }
}
