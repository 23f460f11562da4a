import NIOCore

@testable import PeerTreeMedia

/// Builds small WebM streams element by element.
enum HandmadeWebM {
    static func element(_ id: UInt32, _ payload: [UInt8]) -> [UInt8] {
        head(id, size: UInt64(payload.count)) + payload
    }

    /// The head of an element; a nil size is "unknown".
    static func head(_ id: UInt32, size: UInt64?) -> [UInt8] {
        let marked = size.map { $0 | 1 << 56 } ?? 0x01FF_FFFF_FFFF_FFFF
        return bytes(of: UInt64(id)) + (0..<8).map { UInt8(truncatingIfNeeded: marked >> UInt64(56 - 8 * $0)) }
    }

    static func header(videoTrack: UInt8? = 1, audioTrack: UInt8? = 2, segmentSize: UInt64? = nil) -> [UInt8] {
        var tracks: [UInt8] = []
        if let videoTrack { tracks += track(videoTrack, type: 1, codec: "V_VP8") }
        if let audioTrack { tracks += track(audioTrack, type: 2, codec: "A_OPUS") }
        return element(EBMLID.ebml, element(EBMLID.docType, Array("webm".utf8)))
            + head(EBMLID.segment, size: segmentSize)
            + element(EBMLID.void, [0, 0, 0])
            + element(EBMLID.tracks, tracks)
    }

    static func track(_ number: UInt8, type: UInt8, codec: String) -> [UInt8] {
        element(
            EBMLID.trackEntry,
            element(EBMLID.trackNumber, [number]) + element(EBMLID.trackType, [type])
                + element(EBMLID.codecID, Array(codec.utf8))
        )
    }

    /// A cluster's beginning: its head and timestamp.
    static func cluster(size: UInt64? = nil) -> [UInt8] {
        head(EBMLID.cluster, size: size) + element(EBMLID.timestamp, [7])
    }

    static func simpleBlock(track: UInt8, keyFrame: Bool, bytes: Int = 20) -> [UInt8] {
        element(EBMLID.simpleBlock, blockPayload(track: track, flags: keyFrame ? 0x80 : 0, bytes: bytes))
    }

    static func blockGroup(track: UInt8, keyFrame: Bool) -> [UInt8] {
        let block = element(EBMLID.block, blockPayload(track: track, flags: 0, bytes: 20))
        return element(EBMLID.blockGroup, block + (keyFrame ? [] : element(EBMLID.referenceBlock, [0xFF])))
    }

    private static func blockPayload(track: UInt8, flags: UInt8, bytes: Int) -> [UInt8] {
        // The filling looks like the ids of blocks, to mislead a splitter that has lost its way.
        [0x80 | track, 0, 0, flags] + [UInt8](repeating: UInt8(EBMLID.simpleBlock), count: bytes)
    }

    private static func bytes(of id: UInt64) -> [UInt8] {
        Array((0..<8).map { UInt8(truncatingIfNeeded: id >> UInt64(56 - 8 * $0)) }.drop { $0 == 0 })
    }
}

/// Runs a splitter over a stream portioned by `sizes` (repeated as often as needed).
func split(
    _ stream: [UInt8],
    sizes: [Int] = [Int.max],
    options: WebMSplitter.Options = .init()
) -> [MediaPiece] {
    var splitter = WebMSplitter(options: options)
    var pieces: [MediaPiece] = []
    var rest = stream[...]
    var turn = 0
    while !rest.isEmpty {
        splitter.feed(ByteBuffer(bytes: rest.prefix(sizes[turn % sizes.count])))
        rest = rest.dropFirst(sizes[turn % sizes.count])
        turn += 1
        while let piece = splitter.nextPiece() { pieces.append(piece) }
    }
    splitter.finish()
    while let piece = splitter.nextPiece() { pieces.append(piece) }
    return pieces
}

func joined(_ pieces: some Sequence<MediaPiece>) -> [UInt8] {
    Array(pieces.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1.bytes) }.readableBytesView)
}

/// Opaque pieces carry no boundaries of the stream: neighbours are merged before a comparison.
func mergingOpaque(_ pieces: [MediaPiece]) -> [MediaPiece] {
    pieces.reduce(into: []) { merged, piece in
        if case .opaque(let more) = piece, case .opaque(var bytes) = merged.last {
            bytes.writeImmutableBuffer(more)
            merged[merged.count - 1] = .opaque(bytes)
        } else {
            merged.append(piece)
        }
    }
}
