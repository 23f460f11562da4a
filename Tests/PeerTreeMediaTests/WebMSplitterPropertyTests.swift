import Foundation
import NIOCore
import TestSupport
import Testing

@testable import PeerTreeMedia

@Suite(.timeLimit(.minutes(5))) struct WebMSplitterPropertyTests {
    private static func demoClip() throws -> [UInt8] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return [UInt8](try Data(contentsOf: root.appending(path: "Demo/clip.webm")))
    }

    private static func randomStream(_ random: inout SeededGenerator) -> [UInt8] {
        var stream = HandmadeWebM.header(segmentSize: Bool.random(using: &random) ? nil : 123_456)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            stream += HandmadeWebM.cluster()
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                let track = UInt8.random(in: 1...2, using: &random)
                let keyFrame = Bool.random(using: &random)
                // Mostly small, so that most of what is damaged is structure; now and then above the piece limit.
                let bytes = Int.random(in: 0...(Int.random(in: 0...9, using: &random) == 0 ? 3000 : 60), using: &random)
                stream +=
                    Bool.random(using: &random)
                    ? HandmadeWebM.simpleBlock(track: track, keyFrame: keyFrame, bytes: bytes)
                    : HandmadeWebM.blockGroup(track: track, keyFrame: keyFrame)
            }
        }
        return stream
    }

    private static func randomSizes(_ random: inout SeededGenerator) -> [Int] {
        let scale = [1, 16, 700, 20_000].randomElement(using: &random) ?? 1
        return (0..<7).map { _ in Int.random(in: 1...scale, using: &random) }
    }

    @Test("the demo clip is cut at key frames about every second, and nothing of it is lost")
    func clip() throws {
        let clip = try Self.demoClip()
        let pieces = split(clip)
        #expect(joined(pieces) == clip)
        #expect(pieces.first?.isHeader == true)
        #expect((10...16).contains(pieces.filter(\.isJoinPoint).count))
        #expect(!pieces.contains { if case .opaque = $0 { true } else { false } })
    }

    @Test("how the demo clip is portioned makes no difference", arguments: [1, 2, 3])
    func clipPortions(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let clip = try Self.demoClip()
        let sizes = (0..<50).map { _ in Int.random(in: 1...40_000, using: &random) }
        #expect(split(clip, sizes: sizes) == split(clip), "seed \(seed)")
    }

    @Test("how a stream is portioned makes no difference, and its bytes stay as they are", arguments: 1...200)
    func portions(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let stream = Self.randomStream(&random)
        let options = WebMSplitter.Options(maximumPieceBytes: Int.random(in: 1024...4096, using: &random))
        let whole = split(stream, options: options)
        let portioned = split(stream, sizes: Self.randomSizes(&random), options: options)
        #expect(joined(whole) == stream, "seed \(seed)")
        #expect(whole == portioned, "seed \(seed)")
    }

    @Test("damaged streams neither trap nor lose a byte, however they are portioned", arguments: 1...500)
    func damage(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var stream = Self.randomStream(&random)
        scramble(&stream, &random)
        let options = WebMSplitter.Options(maximumHeaderBytes: 4096, maximumPieceBytes: 1024)
        let whole = split(stream, options: options)
        let portioned = split(stream, sizes: Self.randomSizes(&random), options: options)
        #expect(joined(whole) == stream, "seed \(seed)")
        #expect(mergingOpaque(whole) == mergingOpaque(portioned), "seed \(seed)")
    }

    @Test("every byte string as an element head is read or refused, never trapped", arguments: 1...50)
    func elementHeads(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let magic = HandmadeWebM.header() + HandmadeWebM.cluster()
        for _ in 0..<200 {
            let noise = (0..<Int.random(in: 0...24, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(joined(split(magic + noise, sizes: [11])) == magic + noise, "seed \(seed)")
            #expect(joined(split(Array(magic.prefix(20)) + noise)) == Array(magic.prefix(20)) + noise, "seed \(seed)")
        }
    }
}
