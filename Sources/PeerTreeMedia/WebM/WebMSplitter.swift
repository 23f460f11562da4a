public import NIOCore

/// Cuts a WebM or Matroska byte stream into pieces, as it arrives.
///
/// Feed bytes in any portions with ``feed(_:)``, take pieces with ``nextPiece()`` until it returns nil, and call
/// ``finish()`` at the end of the stream, then take the last pieces. Pieces come as soon as each block is complete,
/// whole clusters are never awaited. How the input was portioned makes no difference to the pieces of a WebM stream.
///
/// Input that is not WebM, or stops being WebM midway, comes out as ``MediaPiece/opaque(_:)``: no byte is ever lost.
/// Any input is safe: what the splitter holds back is bounded by ``Options``.
///
/// A viewer can start only where a cluster starts: a key frame in the midst of a cluster is no join point, because the
/// bytes before it would have to be made up. (ffmpeg begins clusters at key frames unless its limits for clusters, the
/// options `cluster_time_limit` and `cluster_size_limit`, have just begun one.)
///
/// Sizes of segments and clusters, known or unknown as live encoders write them, are not needed and not looked at:
/// which element begins tells where the one before ended.
public struct WebMSplitter: Sendable {
    /// The limits of a splitter.
    public struct Options: Sendable, Hashable {
        /// The most bytes before the first cluster; more make the stream opaque. Default: 1 MiB.
        public var maximumHeaderBytes: Int
        /// The most bytes in one piece; a larger block comes in several. Default: 1 MiB.
        public var maximumPieceBytes: Int

        /// Makes limits; both are at least 1 KiB.
        public init(maximumHeaderBytes: Int = 1 << 20, maximumPieceBytes: Int = 1 << 20) {
            self.maximumHeaderBytes = max(1024, maximumHeaderBytes)
            self.maximumPieceBytes = max(1024, maximumPieceBytes)
        }
    }

    /// The media type the last header told, such as `video/webm; codecs="vp8, opus"`; nil before there is a header.
    public private(set) var contentType: String?

    private let options: Options
    /// Bytes fed and not yet given out.
    private var buffer = ByteBuffer()
    /// How many bytes of `buffer` belong to the piece under way.
    private var collected = 0
    private var piece = PieceKind.header
    /// The element whose payload is being collected.
    private var element: Element?
    private var videoTracks: Set<UInt64> = []
    private var isFinished = false

    /// Makes a splitter at the beginning of a stream.
    public init(options: Options = Options()) {
        self.options = options
    }

    /// Takes the next bytes of the stream. They are kept until the pieces are taken.
    public mutating func feed(_ bytes: ByteBuffer) {
        buffer.feed(bytes)
    }

    /// Says that the stream is over: what is still held back comes out as the last pieces.
    public mutating func finish() {
        isFinished = true
    }

    /// The next piece, or nil if more bytes must be fed first.
    public mutating func nextPiece() -> MediaPiece? {
        while true {
            if piece == .opaque { return takeOpaque() }
            switch element == nil ? beginElement() : collectElement() {
            case .goOn: continue
            case .cut: return take()
            case .needsMore: return isFinished ? takeRest() : nil
            case .notWebM:
                let rest = piece == .header ? nil : take()
                piece = .opaque
                if let rest { return rest }
            }
        }
    }

    private enum PieceKind: Equatable {
        case header
        /// Whether a viewer can start here is not known before the first block of a video track.
        case clusterStart(keyFrame: Bool?)
        case continuation
        case opaque
    }

    private struct Element {
        var id: UInt32
        /// The payload's offset in `buffer`, counted from the reader index; nil once part of it was given out.
        var payload: Int?
        var remaining: UInt64
    }

    private enum Step {
        case goOn, cut, needsMore, notWebM
    }

    private var limit: Int {
        piece == .header ? options.maximumHeaderBytes : options.maximumPieceBytes
    }
}

// MARK: - Reading

extension WebMSplitter {
    private mutating func beginElement() -> Step {
        let head: EBMLElementHead
        switch buffer.ebmlElementHead(at: buffer.readerIndex + collected) {
        case .value(let value): head = value
        case .incomplete: return couldBeWebM ? .needsMore : .notWebM
        case .malformed: return .notWebM
        }
        guard couldBeWebM else { return .notWebM }
        switch head.id {
        case EBMLID.cluster:
            // The piece under way ends here; the next call finds the cluster at the beginning of a new one.
            guard collected == 0 else { return .cut }
            piece = .clusterStart(keyFrame: nil)
            collected = head.length
            return .goOn
        case EBMLID.ebml where piece != .header:
            guard collected == 0 else { return .cut }
            piece = .header
        case EBMLID.segment:
            collected += head.length
            return collected < limit ? .goOn : atLimit()
        default: break
        }
        // Only segments and clusters may leave their size open (RFC 9559, section 5.1).
        guard let size = head.size else { return .notWebM }
        collected += head.length
        element = Element(id: head.id, payload: collected, remaining: size)
        return .goOn
    }

    private mutating func collectElement() -> Step {
        guard var current = element else { return .goOn }
        let room = max(0, limit - collected)
        let available = min(room, buffer.readableBytes - collected)
        let taken = Int(exactly: min(current.remaining, UInt64(max(0, available)))) ?? 0
        collected += taken
        current.remaining -= UInt64(taken)
        element = current
        if current.remaining == 0 {
            decideJoinPoint(current)
            element = nil
            if endsPiece(current.id) { return .cut }
            return collected < limit ? .goOn : atLimit()
        }
        guard collected < limit else {
            decideJoinPoint(current)
            return atLimit()
        }
        return .needsMore
    }

    private mutating func atLimit() -> Step {
        piece == .header ? .notWebM : .cut
    }

    /// A stream begins with an EBML header; this is seen from the first byte on, so text is not held back.
    private var couldBeWebM: Bool {
        guard piece == .header, collected == 0 else { return true }
        let magic: [UInt8] = [0x1A, 0x45, 0xDF, 0xA3]
        return zip(buffer.readableBytesView, magic).allSatisfy(==)
    }

    /// If this block is the first of a video track, or there is no video, it says whether a viewer can start here.
    private mutating func decideJoinPoint(_ element: Element) {
        guard piece == .clusterStart(keyFrame: nil), let payload = element.payload else { return }
        let start = buffer.readerIndex + payload
        let end = buffer.readerIndex + collected
        let block: WebMBlock?
        switch element.id {
        case EBMLID.simpleBlock: block = WebMBlock(simpleBlock: buffer, at: start, end: end)
        case EBMLID.blockGroup: block = WebMBlock(blockGroup: buffer, at: start, end: end)
        default: return
        }
        if videoTracks.isEmpty {
            piece = .clusterStart(keyFrame: true)
        } else if let block, videoTracks.contains(block.track) {
            piece = .clusterStart(keyFrame: block.isKeyFrame)
        }
    }

    private func endsPiece(_ id: UInt32) -> Bool {
        switch piece {
        case .header, .clusterStart(keyFrame: nil), .opaque: return false
        case .clusterStart, .continuation: break
        }
        switch id {
        // Small things that belong to the block behind them.
        case EBMLID.timestamp, EBMLID.position, EBMLID.previousSize, EBMLID.void, EBMLID.crc32: return false
        default: return true
        }
    }
}

// MARK: - Giving out

extension WebMSplitter {
    /// Gives out what is collected.
    private mutating func take() -> MediaPiece? {
        guard collected > 0, let bytes = buffer.readSlice(length: collected) else { return nil }
        collected = 0
        element?.payload = nil
        switch piece {
        case .header:
            let tracks = WebMTracks(header: bytes)
            videoTracks = tracks.video
            contentType = tracks.contentType
            piece = .continuation
            return .header(bytes)
        case .clusterStart(let keyFrame):
            piece = .continuation
            return .clusterStart(bytes, startsWithKeyFrame: keyFrame ?? false)
        case .continuation: return .clusterContinuation(bytes)
        case .opaque: return .opaque(bytes)
        }
    }

    /// Gives out everything left of a stream that is over; a header without a cluster behind it is of no use as one.
    private mutating func takeRest() -> MediaPiece? {
        if piece == .header { piece = .opaque }
        collected = buffer.readableBytes
        return take()
    }

    private mutating func takeOpaque() -> MediaPiece? {
        collected = min(buffer.readableBytes, options.maximumPieceBytes)
        return take()
    }
}
