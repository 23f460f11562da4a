import NIOCore
import Testing

@testable import PeerTreeMedia

private typealias WebM = HandmadeWebM
private typealias Media = HandmadeMedia

@Suite(.timeLimit(.minutes(5))) struct WebMDemuxerTests {
    private func payloads(_ events: [WebMEvent]) -> [[UInt8]] {
        events.frames.map { Array($0.payload.readableBytesView) }
    }

    private func simple(_ payload: [UInt8]) -> [UInt8] {
        WebM.element(EBMLID.simpleBlock, payload)
    }

    @Test("the header tells title, length and tracks in the terms of WebCodecs")
    func description() throws {
        let info =
            Media.unsigned(EBMLID.timestampScale, 500_000) + WebM.element(EBMLID.title, Array("Talk".utf8))
            + WebM.element(EBMLID.duration, [0x45, 0x7A, 0x00, 0x00])  // 4000 as a float.
        let video = Media.video(extra: Media.unsigned(EBMLID.defaultDuration, 40_000_000))
        let (events, error) = demux(Media.header(video + Media.audio(), info: info))
        #expect(error == nil)
        var track = Media.videoTrack
        track.parameters = .video(VideoParameters(codedWidth: 640, codedHeight: 360, framerate: 25))
        let expected = WebMDescription(
            title: "Talk",
            duration: 2_000_000,
            tracks: [track, Media.audioTrack],
            unusable: [],
            hasUnusableVideo: false
        )
        #expect(events == [.tracks(expected)])
    }

    @Test("timestamps are those of cluster and block, less the delay of the codec")
    func timestamps() {
        let delay = Media.unsigned(EBMLID.codecDelay, 6_500_000)
        let stream =
            Media.header(Media.video() + Media.audio(extra: delay)) + Media.cluster(0)
            + simple(Media.block(track: 2, Media.opus()))
            + simple(Media.block(track: 1, at: 3, flags: 0x80, [1])) + Media.cluster(1000)
            + simple(Media.block(track: 1, at: -10, flags: 0, [2]))
        let frames = demux(stream).events.frames
        #expect(frames.map(\.timestamp) == [-6500, 3000, 990_000])
        #expect(frames.map(\.isKeyFrame) == [true, true, false])
        #expect(frames.map(\.number) == [0, 0, 1])
        #expect(frames.map(\.duration) == [20_000, 0, 0])
    }

    @Test("laced blocks of all kinds are taken apart")
    func lacing() {
        let (one, two, three) = (Media.opus(1), Media.opus(2) + [UInt8](repeating: 5, count: 300), Media.opus(3))
        let xiph = Media.block(track: 2, flags: 0x82, [2, 3, 255, 48] + one + two + three)
        let difference = 303 - 3 + 0x1FFF
        let ebml = Media.block(
            track: 2,
            flags: 0x86,
            [2, 0x83, 0x40 | UInt8(difference >> 8), UInt8(difference & 0xFF)] + one + two + three
        )
        let fixed = Media.block(track: 2, flags: 0x84, [1] + one + three)
        let header = Media.header(Media.audio()) + Media.cluster(100)
        for laced in [xiph, ebml] {
            let events = demux(header + simple(laced)).events
            #expect(payloads(events) == [one, two, three])
            #expect(events.frames.map(\.timestamp) == [100_000, 120_000, 140_000])
        }
        #expect(payloads(demux(header + simple(fixed)).events) == [one, three])
    }

    static let lacings: [[UInt8]] = [
        [], [2], [2, 255], [2, 3, 200, 1, 2, 3], [255, 0x81], [1, 0xFF, 1, 2],
    ]

    @Test("lacing that does not add up ends the stream", arguments: lacings, [UInt8(0x82), 0x84, 0x86])
    func brokenLacing(payload: [UInt8], flags: UInt8) {
        let stream =
            Media.header(Media.audio()) + Media.cluster(0) + simple(Media.block(track: 2, flags: flags, payload))
        let (events, error) = demux(stream)
        // Fixed lacing of equal parts is right whatever is in them.
        if flags == 0x84, !payload.isEmpty, (payload.count - 1).isMultiple(of: Int(payload[0]) + 1) {
            #expect(events.frames.count == Int(payload[0]) + 1)
        } else {
            #expect(error?.description.contains("malformed block") == true)
        }
    }

    @Test("a block group tells duration, references and what to discard")
    func blockGroups() {
        let key = WebM.element(EBMLID.block, Media.block(flags: 0, [1])) + Media.unsigned(EBMLID.blockDuration, 33)
        let delta = WebM.element(EBMLID.block, Media.block(flags: 0, [2])) + WebM.element(EBMLID.referenceBlock, [0xFF])
        let last =
            WebM.element(EBMLID.block, Media.block(track: 2, flags: 0, Media.opus()))
            + WebM.element(EBMLID.discardPadding, [0x00, 0xCC, 0x77, 0xC0])  // 13.4 ms.
        let stream = [key, delta, last].reduce(Media.header(Media.video() + Media.audio()) + Media.cluster(0)) {
            $0 + WebM.element(EBMLID.blockGroup, $1)
        }
        let frames = demux(stream).events.frames
        #expect(frames.map(\.isKeyFrame) == [true, false, true])
        #expect(frames.map(\.duration) == [33_000, 0, 6600])
    }

    @Test("the codec of VP9 comes from its first key frame, and no frame overtakes the description")
    func vp9() {
        let audio = simple(Media.block(track: 2, Media.opus()))
        let stream =
            Media.header(Media.video(codec: "V_VP9") + Media.audio()) + Media.cluster(0) + audio + audio
            + simple(Media.block(CodecTests.vp9)) + audio
        let events = demux(stream).events
        #expect(events.count == 5)
        #expect(events.first == .tracks(events.descriptions[0]))
        #expect(events.descriptions[0].tracks[0].codec == "vp09.00.11.08")
        #expect(events.frames.map(\.track) == [2, 2, 1, 2])
    }

    @Test("a VP9 track that never begins holds the others back for a bounded time")
    func silentVP9() {
        var stream = Media.header(Media.video(codec: "V_VP9") + Media.audio())
        for second in 0..<7 {
            stream += Media.cluster(UInt64(second) * 1000) + simple(Media.block(track: 2, Media.opus()))
        }
        var demuxer = WebMDemuxer()
        demuxer.feed(ByteBuffer(bytes: stream))
        #expect((try? demuxer.nextEvent()) != nil)
    }

    @Test("a stream that starts over goes on behind what came before, and its frames are numbered on")
    func chained() {
        let one = Media.header(Media.audio()) + Media.cluster(0) + simple(Media.block(track: 2, Media.opus()))
        let events = demux(one + one).events
        #expect(events.descriptions.count == 2)
        #expect(events.frames.map(\.timestamp) == [0, 20_000])
        #expect(events.frames.map(\.number) == [0, 1])
        var demuxer = WebMDemuxer()
        demuxer.feed(ByteBuffer(bytes: one + [0xA3, 0x90]))
        while (try? demuxer.nextEvent()) != nil {}
        demuxer.restart()
        demuxer.feed(ByteBuffer(bytes: one))
        var again: [WebMEvent] = []
        while let event = try? demuxer.nextEvent() { again.append(event) }
        #expect(again.frames.map(\.number) == [1])
    }

    @Test("tracks that cannot be carried are named with the reason, and their blocks left out")
    func unusable() {
        let tracks =
            Media.video(codec: "V_MPEGH/ISO/HEVC") + Media.audio()
            + Media.audio(3, codec: "A_VORBIS") + Media.video(4, extra: WebM.element(EBMLID.contentEncodings, []))
            + WebM.element(
                EBMLID.trackEntry,
                Media.unsigned(EBMLID.trackNumber, 5) + Media.unsigned(EBMLID.trackType, 17)
            )
        let stream =
            Media.header(tracks) + Media.cluster(0) + simple(Media.block(track: 1, [1]))
            + simple(Media.block(track: 2, Media.opus()))
        let events = demux(stream).events
        let description = events.descriptions[0]
        #expect(description.tracks == [Media.audioTrack])
        #expect(description.hasUnusableVideo)
        #expect(description.unusable.count == 3)
        #expect(description.unusable[0].contains("V_MPEGH/ISO/HEVC"))
        #expect(events.frames.map(\.track) == [2])
    }

    static let broken: [(String, [UInt8])] = [
        ("neither WebM", Array("hello world".utf8)),
        ("neither WebM", WebM.element(EBMLID.ebml, WebM.element(EBMLID.docType, Array("other".utf8)))),
        ("before the tracks", Array(Media.header([]).prefix(26)) + Media.cluster(0)),
        (
            "before the timestamp",
            Media.header(Media.video()) + WebM.head(EBMLID.cluster, size: nil)
                + WebM.element(EBMLID.simpleBlock, Media.block([1]))
        ),
        ("malformed block", Media.header(Media.video()) + Media.cluster(0) + WebM.element(EBMLID.simpleBlock, [0x81])),
        ("there is no element", Media.header(Media.video()) + Media.cluster(0) + [0, 0, 0, 0, 0]),
        ("unknown size", Media.header(Media.video()) + WebM.head(EBMLID.cues, size: nil)),
        ("more than", Media.header(Media.video()) + Media.cluster(0) + WebM.head(EBMLID.simpleBlock, size: 1 << 40)),
        (
            "out of range",
            Media.header(Media.video()) + Media.cluster(1 << 62) + WebM.element(EBMLID.simpleBlock, Media.block([1]))
        ),
        ("tracks are malformed", Media.header([0xAE, 0x90, 1])),
    ]

    @Test("where the input is not WebM, or no longer is, a sentence says why", arguments: broken)
    func malformed(sentence: String, stream: [UInt8]) {
        let error = demux(stream).error
        #expect(error?.description.contains(sentence) == true, "\(error?.description ?? "no error")")
        #expect(demux(stream, sizes: [1]).error == error)
    }

    @Test("a file that is cut short gives the frames that are whole")
    func cutShort() {
        let block = simple(Media.block([1, 2, 3]))
        let (events, error) = demux(Media.header(Media.video()) + Media.cluster(0) + block + block.dropLast())
        #expect(error == nil)
        #expect(payloads(events) == [[1, 2, 3]])
    }
}
