import Foundation
import NIOCore
import TestSupport
import Testing

@testable import PeerTreeMedia

@Suite(.timeLimit(.minutes(5))) struct WebMMediaPropertyTests {
    private static func demoClip() throws -> [UInt8] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return [UInt8](try Data(contentsOf: root.appending(path: "Demo/clip.webm")))
    }

    /// Tracks and frames as a source could send them from the beginning, in decoding order.
    private static func randomMedia(_ random: inout SeededGenerator) -> (MediaCatalog, [MediaFrame]) {
        let ids = Array(
            (1...255).map(UInt8.init).shuffled(using: &random).prefix(Int.random(in: 1...4, using: &random))
        )
        let tracks = ids.map { id -> MediaTrack in
            var track = Bool.random(using: &random) ? HandmadeMedia.videoTrack : HandmadeMedia.audioTrack
            track.id = id
            return track
        }
        var next: [UInt8: (number: UInt32, at: Int64)] = [:]
        var frames: [MediaFrame] = []
        for _ in 0..<Int.random(in: 1...200, using: &random) {
            guard let track = tracks.randomElement(using: &random) else { break }
            let (number, at) = next[track.id] ?? (0, track.isVideo ? 0 : -7)
            var frame = HandmadeMedia.frame(
                track.isVideo ? 1 : 2,
                number,
                at: at,
                key: number == 0 || !track.isVideo || Int.random(in: 0..<10, using: &random) == 0
            )
            frame.track = track.id
            if track.isVideo {
                let size = Int.random(
                    in: 0...(Int.random(in: 0..<20, using: &random) == 0 ? 40_000 : 50),
                    using: &random
                )
                frame.payload = ByteBuffer(repeating: UInt8.random(in: .min ... .max, using: &random), count: size)
            } else {
                frame.duration = 20_000
            }
            frames.append(frame)
            // Now and then a pause that no cluster can span.
            let pause: Int64 = Int.random(in: 0..<50, using: &random) == 0 ? 70_000 : 40
            next[track.id] = (number + 1, at + Int64.random(in: 1...pause, using: &random))
        }
        return (MediaCatalog(tracks: tracks), frames)
    }

    @Test("what is muxed is demuxed: tracks, payloads, order, times and key frames", arguments: 1...200)
    func identity(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let (catalog, frames) = Self.randomMedia(&random)
        // Everything is held until it begins: then no frame can be older than the beginning.
        let options = WebMMuxer.Options(maximumWait: .max / 8)
        let layout: WebMMuxer.Layout = Bool.random(using: &random) ? .seekable : .streaming
        var silent = catalog
        silent.tracks.append(
            MediaTrack(
                id: (1...255).first { id in !catalog.tracks.contains { $0.id == id } } ?? 0,
                codec: "vp8",
                parameters: .video(VideoParameters(codedWidth: 1, codedHeight: 1))
            )
        )
        let (events, error) = demux(try mux(frames, of: silent, layout: layout, options: options))
        #expect(error == nil, "seed \(seed)")
        let got = events.frames
        #expect(got.map(\.payload) == frames.map(\.payload), "seed \(seed)")
        #expect(got.map(\.track) == frames.map(\.track), "seed \(seed)")
        #expect(got.map(\.isKeyFrame) == frames.map(\.isKeyFrame), "seed \(seed)")
        #expect(got.map(\.number) == frames.map(\.number), "seed \(seed)")
        // A file counts in milliseconds; where a track would begin before 0, all are shifted by the same.
        let shift = (got.first?.timestamp ?? 0) - (frames.first?.timestamp ?? 0)
        #expect((0...7500).contains(shift), "seed \(seed)")
        let isSame = zip(got, frames).allSatisfy { abs($0.timestamp - shift - $1.timestamp) <= 1000 }
        #expect(isSame, "seed \(seed)")
    }

    @Test("how a stream is portioned makes no difference", arguments: 1...100)
    func portions(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let (catalog, frames) = Self.randomMedia(&random)
        let stream = try mux(frames, of: catalog, layout: Bool.random(using: &random) ? .seekable : .streaming)
        let scale = [1, 16, 700, 20_000].randomElement(using: &random) ?? 1
        let sizes = (0..<7).map { _ in Int.random(in: 1...scale, using: &random) }
        #expect(demux(stream, sizes: sizes) == demux(stream), "seed \(seed)")
    }

    @Test("how the demo clip is portioned makes no difference", arguments: [1, 2, 3])
    func clip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let clip = try Self.demoClip()
        let sizes = (0..<50).map { _ in Int.random(in: 1...40_000, using: &random) }
        let whole = demux(clip)
        #expect(whole.events.frames.count == 901)
        #expect(demux(clip, sizes: sizes) == whole, "seed \(seed)")
    }

    @Test("damaged streams neither trap nor depend on how they are portioned", arguments: 1...500)
    func damage(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let (catalog, frames) = Self.randomMedia(&random)
        var stream = try mux(Array(frames.prefix(20)), of: catalog)
        scramble(&stream, &random)
        let options = WebMDemuxer.Options(maximumHeaderBytes: 4096, maximumBlockBytes: 8192, maximumHeldBytes: 2000)
        let sizes = (0..<5).map { _ in Int.random(in: 1...300, using: &random) }
        let whole = demux(stream, options: options)
        #expect(demux(stream, sizes: sizes, options: options) == whole, "seed \(seed)")
    }

    @Test("a recorder survives messages of every kind and leaves files that can be read", arguments: 1...100)
    func recorder(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var recorder = WebMRecorder(layout: .seekable, options: .init(maximumHeldBytes: 4096))
        var files: [[UInt8]] = []
        func drain() {
            while let output = recorder.nextOutput() {
                switch output {
                case .part: files.append([])
                case .write(let write): write.apply(to: &files[files.count - 1])
                case .note: break
                }
            }
        }
        for _ in 0..<20 {
            let (catalog, frames) = Self.randomMedia(&random)
            recorder.handle(try catalog.encoded(), isText: true, retainedKey: MediaKey.catalog)
            for frame in frames.prefix(30) {
                var frame = frame
                if Int.random(in: 0..<10, using: &random) == 0 { frame.timestamp = Int64(bitPattern: random.next()) }
                if Int.random(in: 0..<10, using: &random) == 0 {
                    frame.number = UInt32.random(in: .min ... .max, using: &random)
                }
                recorder.handle(frame.encoded(), isText: false, retainedKey: nil)
                drain()
            }
        }
        recorder.finish()
        drain()
        for file in files where !file.isEmpty { #expect(demux(file).error == nil, "seed \(seed)") }
    }
}
