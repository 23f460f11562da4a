import NIOCore

/// What the header of a WebM or Matroska stream says about its tracks, as far as a splitter must know.
struct WebMTracks: Equatable {
    /// The numbers of the video tracks.
    private(set) var video: Set<UInt64> = []
    private(set) var codecs: [String] = []
    private(set) var docType = ""

    /// Reads the header: everything before the first cluster. What it cannot understand it ignores.
    init(header: ByteBuffer) {
        for entry in read(header) {
            if let number = entry.number, entry.type == Self.videoType { video.insert(number) }
            if let codec = entry.codec { codecs.append(codec) }
        }
    }

    /// The media type, with the codecs where a browser's `MediaSource` would know them by these names.
    var contentType: String {
        let kind = video.isEmpty && !codecs.isEmpty ? "audio" : "video"
        guard docType == "webm" else { return "\(kind)/x-matroska" }
        let names = codecs.compactMap { Self.codecNames[$0] }
        guard !names.isEmpty, names.count == codecs.count else { return "\(kind)/webm" }
        return "\(kind)/webm; codecs=\"\(names.joined(separator: ", "))\""
    }

    private struct Entry {
        var number: UInt64?
        var type: UInt64?
        var codec: String?
    }

    private static let maximumTracks = 64
    private static let codecNames = ["V_VP8": "vp8", "V_VP9": "vp9", "A_OPUS": "opus", "A_VORBIS": "vorbis"]
    private static let videoType: UInt64 = 1

    private mutating func read(_ header: ByteBuffer) -> [Entry] {
        var entries: [Entry] = []
        var index = header.readerIndex
        while case .value(let head) = header.ebmlElementHead(at: index) {
            index += head.length
            switch head.id {
            case EBMLID.ebml, EBMLID.segment, EBMLID.tracks:
                continue  // Their children follow and are read by the same loop.
            case EBMLID.trackEntry:
                guard entries.count < Self.maximumTracks else { return entries }
                entries.append(Entry())
                continue
            default: break
            }
            let available = header.writerIndex - index
            guard let size = head.size.flatMap(Int.init(exactly:)), size <= available else { break }
            read(head.id, of: header, at: index, length: size, into: &entries)
            index += size
        }
        return entries
    }

    private mutating func read(
        _ id: UInt32,
        of header: ByteBuffer,
        at index: Int,
        length: Int,
        into entries: inout [Entry]
    ) {
        switch id {
        case EBMLID.docType where length <= 32:
            docType = header.ebmlText(at: index, length: length)
        case EBMLID.trackNumber where !entries.isEmpty:
            entries[entries.count - 1].number = header.ebmlUnsigned(at: index, length: length)
        case EBMLID.trackType where !entries.isEmpty:
            entries[entries.count - 1].type = header.ebmlUnsigned(at: index, length: length)
        case EBMLID.codecID where !entries.isEmpty && length <= 64:
            entries[entries.count - 1].codec = header.ebmlText(at: index, length: length)
        default: break
        }
    }
}
