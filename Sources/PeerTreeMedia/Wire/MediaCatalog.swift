import Foundation
public import NIOCore

/// What a media stream consists of: the retained message that comes before its frames.
public struct MediaCatalog: Sendable, Hashable {
    /// The version of the format that this is.
    public static let version = 1
    /// The most bytes that a catalog may take.
    public static let maximumBytes = 65_536
    /// The most tracks.
    public static let maximumTracks = 16
    /// The most characters of a title.
    public static let maximumTitle = 256

    /// Text for people; nil if there is none.
    public var title: String?
    /// Whether frames are sent as they are captured, or paced like that.
    public var isLive: Bool
    /// The source's clock at media timestamp 0, microseconds since 1970-01-01 UTC; only where `isLive`.
    public var origin: Int64?
    /// Length in microseconds, if it is known.
    public var duration: Int64?
    /// 1 to ``maximumTracks`` tracks. Of a catalog that was read, tracks that are neither video nor audio are left out.
    public var tracks: [MediaTrack]

    /// Makes a catalog.
    public init(
        title: String? = nil,
        isLive: Bool = false,
        origin: Int64? = nil,
        duration: Int64? = nil,
        tracks: [MediaTrack]
    ) {
        self.title = title
        self.isLive = isLive
        self.origin = origin
        self.duration = duration
        self.tracks = tracks
    }

    /// Reads a catalog. It comes from outside: every member is checked, hints that make no sense are dropped.
    ///
    /// - Throws: ``MediaFormatError`` with a sentence that says what is wrong.
    public init(parsing text: ByteBuffer) throws(MediaFormatError) {
        guard text.readableBytes <= Self.maximumBytes else {
            throw MediaFormatError("The media catalog has \(text.readableBytes) bytes, more than \(Self.maximumBytes).")
        }
        let json: CatalogJSON
        do {
            json = try JSONDecoder().decode(CatalogJSON.self, from: Data(text.readableBytesView))
        } catch {
            throw MediaFormatError("The media catalog is not the JSON that it should be.")
        }
        guard json.media == Self.version else {
            throw MediaFormatError("The broadcast has media format \(json.media), this program knows \(Self.version).")
        }
        guard (1...Self.maximumTracks).contains(json.tracks.count) else {
            throw MediaFormatError("The media catalog has \(json.tracks.count) tracks, not 1 to \(Self.maximumTracks).")
        }
        title = json.title.map { String($0.prefix(Self.maximumTitle)) }
        isLive = json.live ?? false
        origin = json.origin.flatMap(Int64.init(hint:))
        duration = json.duration.flatMap(Int64.init(hint:)).flatMap { $0 > 0 ? $0 : nil }
        tracks = []
        for entry in json.tracks {
            guard let track = try entry.track() else { continue }
            guard !tracks.contains(where: { $0.id == track.id }) else {
                throw MediaFormatError("The media catalog has two tracks \(track.id).")
            }
            tracks.append(track)
        }
    }

    /// The catalog as the text of a message.
    ///
    /// - Throws: ``MediaFormatError`` if it becomes too large.
    public func encoded() throws(MediaFormatError) -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data: Data
        do {
            data = try encoder.encode(CatalogJSON(self))
        } catch {
            throw MediaFormatError("The media catalog cannot be written as JSON: \(error)")
        }
        guard data.count <= Self.maximumBytes else {
            throw MediaFormatError("The media catalog has \(data.count) bytes, more than \(Self.maximumBytes).")
        }
        return ByteBuffer(bytes: data)
    }
}

/// Media that is not in the form it should have.
public struct MediaFormatError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A sentence that says what is wrong.
    public var description: String

    /// Makes an error.
    public init(_ description: String) {
        self.description = description
    }
}

extension Int64 {
    /// A number of JSON that should be whole; nil if no clock or duration can be so large.
    fileprivate init?(hint: Double) {
        guard hint.isFinite, abs(hint) < 9e15 else { return nil }
        self = Int64(hint.rounded())
    }
}
