public import NIOCore

/// What a demuxer finds.
public enum WebMEvent: Sendable, Hashable {
    /// What the frames behind it belong to. Comes again where a stream starts over with a second header.
    case tracks(WebMDescription)
    /// The next frame.
    case frame(MediaFrame)
}

/// What the header of a WebM or Matroska stream says.
public struct WebMDescription: Sendable, Hashable {
    /// Its title, if it has one.
    public var title: String?
    /// Its length in microseconds, if it is known.
    public var duration: Int64?
    /// The tracks that can be carried.
    public var tracks: [MediaTrack]
    /// For each video or audio track that cannot be carried, which and why, in a few words.
    public var unusable: [String]
    /// Whether one of those is a video track.
    public var hasUnusableVideo: Bool
}

/// Takes a WebM or Matroska byte stream apart into tracks and frames, as it arrives.
///
/// Feed bytes in any portions with ``feed(_:)``, take events with ``nextEvent()`` until it returns nil, and call
/// ``finish()`` at the end of the stream, then take the last events. How the input was portioned makes no difference.
///
/// Any input is safe: what is held back is bounded by ``Options``. Sizes of segments and clusters, known or unknown as
/// live encoders write them, are not looked at: which element begins tells where the one before ended. A stream that
/// starts over, with a second EBML header, goes on behind what came before on the same timeline.
public struct WebMDemuxer: Sendable {
    /// The limits of a demuxer.
    public struct Options: Sendable, Hashable {
        /// The most bytes of one element of the header. Default: 1 MiB.
        public var maximumHeaderBytes: Int
        /// The most bytes of a block or block group. Default: 16 MiB less what a message needs besides.
        public var maximumBlockBytes: Int
        /// The most bytes of frames that wait for the key frame that tells a track's codec. Default: 4 MiB.
        public var maximumHeldBytes: Int

        /// Makes limits.
        public init(
            maximumHeaderBytes: Int = 1 << 20,
            maximumBlockBytes: Int = (16 << 20) - 1024,
            maximumHeldBytes: Int = 4 << 20
        ) {
            self.maximumHeaderBytes = maximumHeaderBytes
            self.maximumBlockBytes = maximumBlockBytes
            self.maximumHeldBytes = maximumHeldBytes
        }
    }

    /// A track under way.
    struct Track {
        var entry: WebMTrackEntry
        var media: MediaTrack
        var codec: WebMCodec
        /// Frames that were found.
        var count: UInt32 = 0
        /// Of the last frame, in microseconds.
        var lastTimestamp: Int64?
    }

    let options: Options
    /// Bytes fed and not yet used.
    var buffer = ByteBuffer()
    /// The offset of the buffer's first readable byte in the input, for sentences about what is wrong.
    var position: UInt64 = 0
    /// What is left of an element that is passed over.
    private var skipping: UInt64 = 0
    private var isFinished = false

    var docType = ""
    /// Nanoseconds of a tick.
    var timestampScale: UInt64 = 1_000_000
    var title: String?
    /// Ticks.
    var duration: Double?
    var tracks: [Track] = []
    var unusable: [String] = []
    var hasUnusableVideo = false
    private(set) var hasTracks = false
    var clusterTimestamp: UInt64?
    /// Where on the timeline this segment begins, in microseconds: behind the one before.
    var segmentStart: Int64 = 0
    /// Where everything found so far ends, in microseconds.
    var end: Int64 = 0
    /// Frames by track id that earlier segments had: numbers go on.
    var counts: [UInt8: UInt32] = [:]

    /// Frames that wait until the codec of every track is known.
    var held: [MediaFrame] = []
    var heldBytes = 0
    /// Events to be taken, the next one last.
    var ready: [WebMEvent] = []

    /// Makes a demuxer at the beginning of a stream.
    public init(options: Options = Options()) {
        self.options = options
    }

    /// Takes the next bytes of the stream. They are kept until the events are taken.
    public mutating func feed(_ bytes: ByteBuffer) {
        buffer.feed(bytes)
    }

    /// Says that the stream is over. An element that is cut short is dropped.
    public mutating func finish() {
        isFinished = true
    }

    /// Begins anew with the next bytes, which are those of another stream: it goes on behind this one.
    public mutating func restart() {
        buffer.clear()
        skipping = 0
        docType = ""
    }

    /// The next event, or nil if more bytes must be fed first.
    ///
    /// - Throws: ``MediaFormatError`` where the input is not WebM, or no longer is; nothing comes after it.
    public mutating func nextEvent() throws(MediaFormatError) -> WebMEvent? {
        while true {
            if let event = ready.popLast() { return event }
            guard try step() else {
                guard isFinished, !held.isEmpty else { return nil }
                release()
                continue
            }
        }
    }
}

// MARK: - Elements

extension WebMDemuxer {
    /// Goes on by one element.
    ///
    /// - Returns: false if more bytes are needed.
    private mutating func step() throws(MediaFormatError) -> Bool {
        if skipping > 0 { return skip() }
        let head: EBMLElementHead
        switch buffer.ebmlElementHead(at: buffer.readerIndex) {
        case .incomplete: return false
        case .malformed: throw malformed("there is no element")
        case .value(let value): head = value
        }
        guard !docType.isEmpty || head.id == EBMLID.ebml else {
            throw MediaFormatError("The input is neither WebM nor Matroska.")
        }
        switch head.id {
        case EBMLID.segment:
            advance(head.length)
        case EBMLID.cluster:
            guard hasTracks else { throw malformed("a cluster comes before the tracks") }
            clusterTimestamp = nil
            advance(head.length)
        case EBMLID.ebml, EBMLID.info, EBMLID.tracks:
            return try collect(head, limit: options.maximumHeaderBytes)
        case EBMLID.timestamp, EBMLID.simpleBlock, EBMLID.blockGroup:
            return try collect(head, limit: options.maximumBlockBytes)
        default:
            guard let size = head.size else { throw malformed("an element of unknown size") }
            advance(head.length)
            skipping = size
        }
        return true
    }

    /// Waits until an element is there as a whole, then reads it.
    private mutating func collect(_ head: EBMLElementHead, limit: Int) throws(MediaFormatError) -> Bool {
        guard let size = head.size.flatMap(Int.init(exactly:)), size <= limit else {
            throw malformed("an element of \(head.size.map { "\($0)" } ?? "unknown") bytes, more than \(limit)")
        }
        guard buffer.readableBytes >= head.length + size else { return false }
        let start = buffer.readerIndex + head.length
        try read(head.id, in: start..<start + size)
        advance(head.length + size)
        return true
    }

    private mutating func read(_ id: UInt32, in range: Range<Int>) throws(MediaFormatError) {
        switch id {
        case EBMLID.ebml: try readDocument(range)
        case EBMLID.info: readInfo(range)
        case EBMLID.tracks: try readTracks(range)
        case EBMLID.timestamp: clusterTimestamp = buffer.ebmlUnsigned(at: range.lowerBound, length: range.count)
        default: try readBlock(id, in: range)
        }
    }

    private mutating func skip() -> Bool {
        let count = Int(min(skipping, UInt64(buffer.readableBytes)))
        advance(count)
        skipping -= UInt64(count)
        return skipping == 0
    }

    private mutating func advance(_ count: Int) {
        buffer.moveReaderIndex(forwardBy: count)
        position += UInt64(count)
    }

    func malformed(_ what: String) -> MediaFormatError {
        MediaFormatError("The input is no longer WebM at byte \(position): \(what).")
    }
}

// MARK: - The header

extension WebMDemuxer {
    private mutating func readDocument(_ range: Range<Int>) throws(MediaFormatError) {
        var name = "matroska"
        buffer.forEachEBMLChild(in: range) { id, index, length in
            if id == EBMLID.docType { name = buffer.ebmlText(at: index, length: min(length, 32)) }
        }
        guard name == "webm" || name == "matroska" else {
            throw MediaFormatError("The input is neither WebM nor Matroska.")
        }
        release()
        docType = name
        timestampScale = 1_000_000
        title = nil
        duration = nil
        clusterTimestamp = nil
        for track in tracks { counts[track.media.id] = track.count }
        tracks = []
        hasTracks = false
        segmentStart = end
    }

    private mutating func readInfo(_ range: Range<Int>) {
        buffer.forEachEBMLChild(in: range) { id, index, length in
            switch id {
            case EBMLID.timestampScale:
                timestampScale = max(1, buffer.ebmlUnsigned(at: index, length: length) ?? 1_000_000)
            case EBMLID.duration: duration = buffer.ebmlFloat(at: index, length: length)
            case EBMLID.title:
                let text = buffer.ebmlText(at: index, length: min(length, 4 * MediaCatalog.maximumTitle))
                title = text.isEmpty ? nil : String(text.prefix(MediaCatalog.maximumTitle))
            default: break
            }
        }
    }

    private mutating func readTracks(_ range: Range<Int>) throws(MediaFormatError) {
        // A second copy says the same.
        guard !hasTracks else { return }
        unusable = []
        hasUnusableVideo = false
        var entries: [WebMTrackEntry] = []
        let isWhole = buffer.forEachEBMLChild(in: range) { id, index, length in
            guard id == EBMLID.trackEntry, entries.count < 4 * MediaCatalog.maximumTracks,
                let entry = WebMTrackEntry(buffer, in: index..<index + length)
            else { return }
            entries.append(entry)
        }
        guard isWhole else { throw malformed("the tracks are malformed") }
        for entry in entries where [WebMTrackEntry.videoType, WebMTrackEntry.audioType].contains(entry.type) {
            add(entry)
        }
        hasTracks = true
        if tracks.allSatisfy({ !$0.media.codec.isEmpty }) { announce() }
    }

    private mutating func add(_ entry: WebMTrackEntry) {
        let taken = Set(tracks.map { $0.media.id })
        let kept = UInt8(exactly: entry.number).flatMap { taken.contains($0) ? nil : $0 }
        guard tracks.count < MediaCatalog.maximumTracks,
            let id = kept ?? (1...255).first(where: { !taken.contains($0) })
        else {
            unusable.append("track \(entry.number): more than \(MediaCatalog.maximumTracks) tracks")
            return
        }
        do {
            let (media, codec) = try entry.mediaTrack(id: id)
            tracks.append(Track(entry: entry, media: media, codec: codec, count: counts[id] ?? 0))
        } catch {
            unusable.append("track \(entry.number): \(error.reason)")
            if entry.type == WebMTrackEntry.videoType { hasUnusableVideo = true }
        }
    }
}
