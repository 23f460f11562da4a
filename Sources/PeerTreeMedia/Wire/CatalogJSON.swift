import Foundation
import NIOCore

/// The catalog's JSON. Members that are not needed and have the wrong type count as absent.
struct CatalogJSON: Codable {
    var media: Int
    var title: String?
    var live: Bool?
    var origin: Double?
    var duration: Double?
    var tracks: [TrackJSON]

    init(_ catalog: MediaCatalog) {
        media = MediaCatalog.version
        title = catalog.title.map { String($0.prefix(MediaCatalog.maximumTitle)) }
        live = catalog.isLive ? true : nil
        origin = catalog.isLive ? catalog.origin.map(Double.init) : nil
        duration = catalog.duration.map(Double.init)
        tracks = catalog.tracks.map(TrackJSON.init)
    }

    init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        media = try members.decode(Int.self, forKey: .media)
        title = members.hint(.title)
        live = members.hint(.live)
        origin = members.hint(.origin)
        duration = members.hint(.duration)
        tracks = try members.decode([TrackJSON].self, forKey: .tracks)
    }
}

/// A track of the catalog.
struct TrackJSON: Codable {
    var id: Int?
    var kind: String?
    var codec: String?
    var description: String?
    var codedWidth: Int?
    var codedHeight: Int?
    var displayAspectWidth: Int?
    var displayAspectHeight: Int?
    var framerate: Double?
    var sampleRate: Int?
    var numberOfChannels: Int?
    var bitrate: Double?

    private static let maximumCodec = 64

    init(_ track: MediaTrack) {
        id = Int(track.id)
        codec = track.codec
        description = track.codecDescription.map { Data($0.readableBytesView).base64EncodedString() }
        bitrate = track.bitrate
        switch track.parameters {
        case .video(let video):
            kind = "video"
            codedWidth = video.codedWidth
            codedHeight = video.codedHeight
            displayAspectWidth = video.displayAspect?.width
            displayAspectHeight = video.displayAspect?.height
            framerate = video.framerate
        case .audio(let audio):
            kind = "audio"
            sampleRate = audio.sampleRate
            numberOfChannels = audio.numberOfChannels
        }
    }

    init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        id = members.hint(.id)
        kind = members.hint(.kind)
        codec = members.hint(.codec)
        description = members.hint(.description)
        codedWidth = members.hint(.codedWidth)
        codedHeight = members.hint(.codedHeight)
        displayAspectWidth = members.hint(.displayAspectWidth)
        displayAspectHeight = members.hint(.displayAspectHeight)
        framerate = members.hint(.framerate)
        sampleRate = members.hint(.sampleRate)
        numberOfChannels = members.hint(.numberOfChannels)
        bitrate = members.hint(.bitrate)
    }

    /// The track; nil if it is of a kind that this program does not know.
    func track() throws(MediaFormatError) -> MediaTrack? {
        guard kind == "video" || kind == "audio" else { return nil }
        guard let id, (1...255).contains(id) else {
            throw MediaFormatError("A track of the media catalog has no id from 1 to 255.")
        }
        guard let codec, !codec.isEmpty, codec.utf8.count <= Self.maximumCodec else {
            throw MediaFormatError("Track \(id) of the media catalog has no codec.")
        }
        return MediaTrack(
            id: UInt8(id),
            codec: codec,
            codecDescription: try codecDescription(of: id),
            parameters: kind == "video" ? .video(videoParameters) : try audioParameters(of: id),
            bitrate: bitrate.flatMap { $0.isFinite && $0 > 0 ? $0 : nil }
        )
    }

    private func codecDescription(of id: Int) throws(MediaFormatError) -> ByteBuffer? {
        guard let description else { return nil }
        guard let bytes = Data(base64Encoded: description) else {
            throw MediaFormatError("The description of track \(id) is not base64.")
        }
        return ByteBuffer(bytes: bytes)
    }

    private var videoParameters: VideoParameters {
        func side(_ value: Int?) -> Int? {
            value.flatMap { (1...VideoParameters.maximumSide).contains($0) ? $0 : nil }
        }
        var aspect: VideoParameters.DisplayAspect?
        if let width = side(displayAspectWidth), let height = side(displayAspectHeight) {
            aspect = VideoParameters.DisplayAspect(width: width, height: height)
        }
        return VideoParameters(
            codedWidth: side(codedWidth),
            codedHeight: side(codedHeight),
            displayAspect: aspect,
            framerate: framerate.flatMap { $0.isFinite && $0 > 0 && $0 <= 1000 ? $0 : nil }
        )
    }

    private func audioParameters(of id: Int) throws(MediaFormatError) -> MediaTrack.Parameters {
        guard let sampleRate, (1...768_000).contains(sampleRate), let numberOfChannels,
            (1...32).contains(numberOfChannels)
        else { throw MediaFormatError("Audio track \(id) of the media catalog has no sample rate or channels.") }
        return .audio(AudioParameters(sampleRate: sampleRate, numberOfChannels: numberOfChannels))
    }
}

extension KeyedDecodingContainer {
    /// A member that may be absent or of another type.
    fileprivate func hint<Value: Decodable>(_ key: Key) -> Value? {
        (try? decodeIfPresent(Value.self, forKey: key)) ?? nil
    }
}
