import NIOCore

@testable import PeerTreeMedia

/// Builds whole WebM streams with usable tracks, for demuxers, and frames, for muxers.
enum HandmadeMedia {
    typealias WebM = HandmadeWebM

    static func unsigned(_ id: UInt32, _ value: UInt64) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeEBML(id, unsigned: value)
        return Array(buffer.readableBytesView)
    }

    static func video(_ number: UInt8 = 1, codec: String = "V_VP8", extra: [UInt8] = []) -> [UInt8] {
        WebM.element(
            EBMLID.trackEntry,
            unsigned(EBMLID.trackNumber, UInt64(number)) + unsigned(EBMLID.trackType, 1)
                + WebM.element(EBMLID.codecID, Array(codec.utf8))
                + WebM.element(
                    EBMLID.video,
                    unsigned(EBMLID.pixelWidth, 640) + unsigned(EBMLID.pixelHeight, 360)
                ) + extra
        )
    }

    static func audio(_ number: UInt8 = 2, codec: String = "A_OPUS", extra: [UInt8] = []) -> [UInt8] {
        WebM.element(
            EBMLID.trackEntry,
            unsigned(EBMLID.trackNumber, UInt64(number)) + unsigned(EBMLID.trackType, 2)
                + WebM.element(EBMLID.codecID, Array(codec.utf8))
                + WebM.element(
                    EBMLID.audio,
                    unsigned(EBMLID.channels, 2)
                        + WebM.element(EBMLID.samplingFrequency, [0x47, 0x3B, 0x80, 0x00])  // 48,000 as a float.
                ) + extra
        )
    }

    static func header(_ tracks: [UInt8], info: [UInt8] = [], size: UInt64? = nil) -> [UInt8] {
        WebM.element(EBMLID.ebml, WebM.element(EBMLID.docType, Array("webm".utf8)))
            + WebM.head(EBMLID.segment, size: size)
            + WebM.element(EBMLID.void, [0, 0, 0])
            + (info.isEmpty ? [] : WebM.element(EBMLID.info, info))
            + WebM.element(EBMLID.tracks, tracks)
    }

    static func cluster(_ timestamp: UInt64) -> [UInt8] {
        WebM.head(EBMLID.cluster, size: nil) + unsigned(EBMLID.timestamp, timestamp)
    }

    /// The payload of a block; `lacing` is the flag bits and what stands between head and frames.
    static func block(
        track: UInt8 = 1,
        at relative: Int16 = 0,
        flags: UInt8 = 0x80,
        _ payload: [UInt8]
    ) -> [UInt8] {
        let time = UInt16(bitPattern: relative)
        return [0x80 | track, UInt8(time >> 8), UInt8(truncatingIfNeeded: time), flags] + payload
    }

    /// An Opus packet of one frame of 20 ms.
    static func opus(_ fill: UInt8 = 0) -> [UInt8] {
        [0x78, fill, fill]
    }

    static let videoTrack = MediaTrack(
        id: 1,
        codec: "vp8",
        parameters: .video(VideoParameters(codedWidth: 640, codedHeight: 360))
    )
    static let audioTrack = MediaTrack(
        id: 2,
        codec: "opus",
        parameters: .audio(AudioParameters(sampleRate: 48_000, numberOfChannels: 2))
    )
    static let catalog = MediaCatalog(tracks: [videoTrack, audioTrack])

    static func frame(
        _ track: UInt8,
        _ number: UInt32,
        at milliseconds: Int64,
        key: Bool = true,
        duration: UInt32 = 0
    ) -> MediaFrame {
        let payload = track == 2 ? opus(UInt8(truncatingIfNeeded: number)) : [UInt8](repeating: 7, count: 30)
        return MediaFrame(
            track: track,
            isKeyFrame: key,
            number: number,
            timestamp: milliseconds * 1000,
            duration: duration,
            payload: ByteBuffer(bytes: payload)
        )
    }
}

/// Runs a demuxer over a stream portioned by `sizes` (repeated as often as needed).
func demux(
    _ stream: [UInt8],
    sizes: [Int] = [Int.max],
    options: WebMDemuxer.Options = .init()
) -> (events: [WebMEvent], error: MediaFormatError?) {
    var demuxer = WebMDemuxer(options: options)
    var events: [WebMEvent] = []
    var rest = stream[...]
    var turn = 0
    do throws(MediaFormatError) {
        while !rest.isEmpty {
            demuxer.feed(ByteBuffer(bytes: rest.prefix(sizes[turn % sizes.count])))
            rest = rest.dropFirst(sizes[turn % sizes.count])
            turn += 1
            while let event = try demuxer.nextEvent() { events.append(event) }
        }
        demuxer.finish()
        while let event = try demuxer.nextEvent() { events.append(event) }
        return (events, nil)
    } catch {
        return (events, error)
    }
}

extension [WebMEvent] {
    var frames: [MediaFrame] {
        compactMap { if case .frame(let frame) = $0 { frame } else { nil } }
    }

    var descriptions: [WebMDescription] {
        compactMap { if case .tracks(let description) = $0 { description } else { nil } }
    }
}

/// The bytes of a file that a muxer makes of frames.
func mux(
    _ frames: [MediaFrame],
    of catalog: MediaCatalog = HandmadeMedia.catalog,
    layout: WebMMuxer.Layout = .seekable,
    options: WebMMuxer.Options = .init()
) throws -> [UInt8] {
    var muxer = try WebMMuxer(catalog, layout: layout, options: options)
    var file: [UInt8] = []
    for frame in frames {
        muxer.add(frame)
        while let output = muxer.nextOutput() { output.apply(to: &file) }
    }
    muxer.finish()
    while let output = muxer.nextOutput() { output.apply(to: &file) }
    return file
}

extension WebMMuxer.Output {
    func apply(to file: inout [UInt8]) {
        switch self {
        case .append(let bytes): file += bytes.readableBytesView
        case .overwrite(let offset, let bytes):
            file.replaceSubrange(offset..<offset + bytes.readableBytes, with: bytes.readableBytesView)
        }
    }
}
