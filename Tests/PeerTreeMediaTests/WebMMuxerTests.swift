import NIOCore
import Testing

@testable import PeerTreeMedia

private typealias Media = HandmadeMedia

@Suite(.timeLimit(.minutes(5))) struct WebMMuxerTests {
    /// Ids of the elements of a file in order, as far as one can go down: segments, clusters.
    private func elements(_ file: [UInt8]) -> [(id: UInt32, size: UInt64?, offset: Int)] {
        let buffer = ByteBuffer(bytes: file)
        var found: [(UInt32, UInt64?, Int)] = []
        var index = 0
        while case .value(let head) = buffer.ebmlElementHead(at: index) {
            found.append((head.id, head.size, index))
            index += head.length
            if head.id != EBMLID.segment, head.id != EBMLID.cluster { index += Int(head.size ?? 0) }
        }
        #expect(index == file.count)
        return found
    }

    private func clusterTimes(_ file: [UInt8]) -> [UInt64] {
        let buffer = ByteBuffer(bytes: file)
        return elements(file).filter { $0.id == EBMLID.timestamp }.compactMap {
            buffer.ebmlUnsigned(at: $0.offset + 2, length: Int($0.size ?? 0))
        }
    }

    /// Two seconds a group of pictures, 25 frames a second, audio between.
    private func frames(seconds: Int, from number: UInt32 = 0, keyEvery interval: Int = 50) -> [MediaFrame] {
        (0..<seconds * 25).flatMap { index -> [MediaFrame] in
            let at = Int64(index) * 40
            let count = UInt32(index) + number
            return [
                Media.frame(1, count, at: at, key: index % interval == 0),
                Media.frame(2, 2 * count, at: at), Media.frame(2, 2 * count + 1, at: at + 20),
            ]
        }
    }

    @Test("pictures within one millisecond get times one after the other, and later ones their own again")
    func timesGrow() throws {
        var writer = try WebMTrackWriter(try #require(Media.catalog.tracks.first))
        let times: [Int64] = [0, 89_000, 89_100, 89_200, 95_000]
        let written = times.map { time in
            defer { writer.lastTime = time }
            return writer.milliseconds(at: time)
        }
        #expect(written == [0, 89, 90, 91, 95])
    }

    @Test("a seekable file has its sizes, duration and index filled in, and each index entry points to a cluster")
    func seekable() throws {
        let file = try mux(frames(seconds: 6))
        let found = elements(file)
        #expect(found.allSatisfy { $0.size != nil })
        let segment = try #require(found.first { $0.id == EBMLID.segment })
        let payload = segment.offset + 12
        #expect(segment.size == UInt64(file.count - payload))
        let clusters = found.filter { $0.id == EBMLID.cluster }.map { $0.offset - payload }
        var positions: [Int] = []
        let buffer = ByteBuffer(bytes: file)
        let cues = try #require(found.first { $0.id == EBMLID.cues })
        let start = cues.offset + 4 + 1
        buffer.forEachEBMLChild(in: start..<file.count) { _, index, length in
            buffer.forEachEBMLChild(in: index..<index + length) { id, index, length in
                guard id == EBMLID.cueTrackPositions else { return }
                buffer.forEachEBMLChild(in: index..<index + length) { id, index, length in
                    guard id == EBMLID.cueClusterPosition else { return }
                    positions.append(Int(buffer.ebmlUnsigned(at: index, length: length) ?? 0))
                }
            }
        }
        #expect(positions == clusters)
        #expect(positions.count == 3)
        #expect(demux(file).events.descriptions[0].duration == 6_006_500)
    }

    @Test("a stream for a pipe never goes back, and leaves the sizes of segment and clusters open")
    func streaming() throws {
        var muxer = try WebMMuxer(Media.catalog, layout: .streaming)
        for frame in frames(seconds: 3) { muxer.add(frame) }
        muxer.finish()
        var file: [UInt8] = []
        while let output = muxer.nextOutput() {
            guard case .append(let bytes) = output else { Issue.record("\(output)"); return }
            file += bytes.readableBytesView
        }
        let open = elements(file).filter { $0.size == nil }.map(\.id)
        #expect(open == [EBMLID.segment, EBMLID.cluster, EBMLID.cluster])
    }

    @Test("clusters begin at key frames, and otherwise before they become too long")
    func clusters() throws {
        #expect(clusterTimes(try mux(frames(seconds: 4))) == [0, 2000])
        #expect(clusterTimes(try mux(frames(seconds: 12, keyEvery: 1000))) == [0, 5000, 10_000])
        let pauses = [0, 1, 100, 100_000].enumerated().map {
            Media.frame(1, UInt32($0.offset), at: Int64($0.element), key: $0.offset == 0)
        }
        #expect(clusterTimes(try mux(pauses, of: MediaCatalog(tracks: [Media.videoTrack]))) == [0, 100_000])
        let sound = (0..<400).map { Media.frame(2, UInt32($0), at: Int64($0) * 20) }
        #expect(clusterTimes(try mux(sound, of: MediaCatalog(tracks: [Media.audioTrack]))) == [7, 5007])
    }

    @Test("whoever comes late gets a file that begins at the key frame, at time 0, without older sound")
    func late() throws {
        let catalog = MediaCatalog(tracks: [Media.videoTrack, Media.audioTrack])
        let received = [
            Media.frame(2, 500, at: 9980), Media.frame(1, 250, at: 10_000), Media.frame(2, 501, at: 9990),
            Media.frame(2, 502, at: 10_010), Media.frame(1, 251, at: 10_040, key: false),
        ]
        let frames = demux(try mux(received, of: catalog)).events.frames
        #expect(frames.map(\.track) == [1, 2, 1])
        #expect(frames.map(\.timestamp) == [0, 10_500, 40_000])
        // The delay of the codec, 6.5 ms, is added in whole milliseconds and taken off again.
        #expect(frames[1].payload == received[3].payload)
    }

    @Test("frames before the first key frame, after a loss, and those that come again are left out")
    func losses() throws {
        let video: [(UInt32, Bool)] = [
            (3, false), (4, true), (5, false), (5, false), (7, false), (6, false), (8, true), (2, true),
        ]
        let received = video.map { Media.frame(1, $0.0, at: Int64($0.0) * 40, key: $0.1) }
        let frames = demux(try mux(received, of: MediaCatalog(tracks: [Media.videoTrack]))).events.frames
        #expect(frames.map(\.timestamp) == [0, 40_000, 160_000])
    }

    @Test("numbers may pass over the end of 32 bits")
    func wrapping() throws {
        let numbers: [UInt32] = [.max - 1, .max, 0, 1]
        let received = numbers.enumerated().map {
            Media.frame(1, $0.element, at: Int64($0.offset) * 40, key: $0.offset == 0)
        }
        #expect(demux(try mux(received, of: MediaCatalog(tracks: [Media.videoTrack]))).events.frames.count == 4)
    }

    @Test("the beginning waits for a silent track, but not for long")
    func silence() throws {
        var muxer = try WebMMuxer(Media.catalog, layout: .streaming)
        for index in 0..<25 { muxer.add(Media.frame(1, UInt32(index), at: Int64(index) * 40, key: index == 0)) }
        #expect(muxer.nextOutput() == nil)
        muxer.add(Media.frame(1, 25, at: 1040, key: false))
        #expect(muxer.nextOutput() != nil)
    }

    @Test("timestamps out of all range are left out, whatever else they are")
    func extremes() throws {
        let times: [Int64] = [.min, .max, .min + 1, 1 << 60]
        var received = times.enumerated().map {
            MediaFrame(
                track: 1,
                isKeyFrame: true,
                number: UInt32($0.offset),
                timestamp: $0.element,
                payload: ByteBuffer()
            )
        }
        received.append(Media.frame(1, 9, at: 0))
        received.append(Media.frame(1, 10, at: 8_000_000_000_000))
        let frames = demux(try mux(received, of: MediaCatalog(tracks: [Media.videoTrack]))).events.frames
        #expect(frames.map(\.timestamp) == [0, 8_000_000_000_000_000])
    }

    @Test("the index of an endless recording stays bounded")
    func manyCues() throws {
        let received = (0..<1000).map { Media.frame(1, UInt32($0), at: Int64($0) * 1000) }
        var muxer = try WebMMuxer(
            MediaCatalog(tracks: [Media.videoTrack]),
            layout: .seekable,
            options: .init(maximumCues: 16)
        )
        for frame in received { muxer.add(frame) }
        #expect(muxer.cues.count <= 16)
        #expect(muxer.cues.first?.time == 0)
        muxer.finish()
    }

    @Test("tracks that no file can have are named; a catalog of nothing else is refused")
    func unusable() throws {
        var strange = Media.videoTrack
        strange.codec = "hvc1.1.6.L93.B0"
        var bare = Media.videoTrack
        (bare.id, bare.codec) = (3, "avc1.42E01F")
        let muxer = try WebMMuxer(MediaCatalog(tracks: [strange, Media.audioTrack, bare]), layout: .streaming)
        #expect(muxer.unusable.count == 2)
        #expect(throws: MediaFormatError.self) { try WebMMuxer(MediaCatalog(tracks: [strange]), layout: .streaming) }
    }
}

@Suite(.timeLimit(.minutes(5))) struct WebMRecorderTests {
    private func run(_ recorder: inout WebMRecorder, _ messages: [MediaMessage]) -> [RecorderOutput] {
        var outputs: [RecorderOutput] = []
        for message in messages {
            recorder.handle(message.payload, isText: message.isText, retainedKey: message.retainedKey)
            while let output = recorder.nextOutput() { outputs.append(output) }
        }
        recorder.finish()
        while let output = recorder.nextOutput() { outputs.append(output) }
        return outputs
    }

    private func files(_ outputs: [RecorderOutput]) -> [[UInt8]] {
        outputs.reduce(into: []) { files, output in
            switch output {
            case .part: files.append([])
            case .write(let write): write.apply(to: &files[files.count - 1])
            case .note: break
            }
        }
    }

    private func messages(_ parts: [(MediaCatalog, [MediaFrame])]) throws -> [MediaMessage] {
        var packetizer = MediaPacketizer()
        return try parts.flatMap { catalog, frames in
            (try packetizer.describe(catalog).map { [$0] } ?? []) + frames.map { packetizer.message(of: $0) }
        }
    }

    @Test("a track that comes later begins a further file; another picture size does not")
    func parts() throws {
        let video = MediaCatalog(tracks: [Media.videoTrack])
        var larger = video
        larger.tracks[0].parameters = .video(VideoParameters(codedWidth: 1280, codedHeight: 720))
        let sent = try messages([
            (video, [Media.frame(1, 0, at: 0), Media.frame(1, 1, at: 40, key: false)]),
            (larger, [Media.frame(1, 2, at: 80, key: false), Media.frame(1, 3, at: 120)]),
            (Media.catalog, [Media.frame(1, 4, at: 160), Media.frame(2, 0, at: 160)]),
        ])
        var recorder = WebMRecorder(layout: .seekable)
        let files = files(run(&recorder, sent)).map { demux($0).events }
        #expect(files.map { $0.descriptions[0].tracks.count } == [1, 2])
        #expect(files[0].frames.map(\.timestamp) == [0, 40_000, 120_000])
        // The delay of Opus, 6.5 ms, is written in whole milliseconds.
        #expect(files[1].frames.map(\.timestamp) == [0, 500])
    }

    @Test("rubbish from upstream is ignored, and a catalog that cannot be is reported")
    func rubbish() throws {
        var recorder = WebMRecorder(layout: .streaming)
        let good = try messages([(Media.catalog, [Media.frame(1, 0, at: 0), Media.frame(2, 0, at: 0)])])
        let bad = [
            MediaMessage(payload: ByteBuffer(string: "{}"), isText: true, isJoinPoint: false, retainedKey: 1),
            MediaMessage(payload: ByteBuffer(string: "noise"), isText: false, isJoinPoint: false),
            MediaMessage(payload: Media.frame(77, 0, at: 0).encoded(), isText: false, isJoinPoint: false),
        ]
        let outputs = run(&recorder, bad + good + bad)
        #expect(outputs.filter { if case .note = $0 { true } else { false } }.count == 2)
        #expect(demux(files(outputs)[0]).events.frames.count == 2)
    }

    @Test("a source that changes its tracks again and again gets so many parts, and so many sentences")
    func endlessChanges() throws {
        var recorder = WebMRecorder(layout: .streaming, maximumParts: 3)
        var sent: [MediaMessage] = []
        for turn in 0..<100 {
            var track = Media.videoTrack
            track.codec = turn.isMultiple(of: 2) ? "vp8" : "vp09.00.10.08"
            sent += try messages([(MediaCatalog(tracks: [track]), [Media.frame(1, UInt32(turn), at: 0)])])
        }
        let outputs = run(&recorder, sent)
        #expect(files(outputs).count == 3)
        #expect(outputs.filter { if case .note = $0 { true } else { false } }.count == 16)
    }
}
