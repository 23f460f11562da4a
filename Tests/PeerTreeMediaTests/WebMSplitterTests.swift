import NIOCore
import Testing

@testable import PeerTreeMedia

private typealias WebM = HandmadeWebM

@Suite(.timeLimit(.minutes(5))) struct WebMSplitterTests {
    @Test("everything before the first cluster is the header, then each block ends a piece")
    func liveStream() {
        let first = WebM.cluster() + WebM.simpleBlock(track: 1, keyFrame: true)
        let second = WebM.simpleBlock(track: 2, keyFrame: true)
        let third = WebM.cluster() + WebM.simpleBlock(track: 1, keyFrame: false)
        let pieces = split(WebM.header() + first + second + third)
        #expect(
            pieces == [
                .header(ByteBuffer(bytes: WebM.header())),
                .clusterStart(ByteBuffer(bytes: first), startsWithKeyFrame: true),
                .clusterContinuation(ByteBuffer(bytes: second)),
                .clusterStart(ByteBuffer(bytes: third), startsWithKeyFrame: false),
            ]
        )
    }

    @Test("clusters and segments of known size are cut like those of unknown size")
    func knownSizes() {
        let block = WebM.simpleBlock(track: 1, keyFrame: true)
        let body = WebM.element(EBMLID.timestamp, [0]) + block
        let cluster = WebM.element(EBMLID.cluster, body)
        let cues = WebM.element(0x1C53_BB6B, [1, 2, 3])
        let pieces = split(WebM.header(segmentSize: 9999) + cluster + cluster + cues)
        #expect(pieces.map(\.isJoinPoint) == [false, true, true, false])
        #expect(pieces.last == .clusterContinuation(ByteBuffer(bytes: cues)))
    }

    @Test("audio before the first video block of a cluster does not make it a join point")
    func audioFirst() {
        let audio = WebM.simpleBlock(track: 2, keyFrame: true)
        for keyFrame in [true, false] {
            let cluster = WebM.cluster() + audio + audio + WebM.simpleBlock(track: 1, keyFrame: keyFrame)
            let pieces = split(WebM.header() + cluster + audio)
            #expect(pieces[1] == .clusterStart(ByteBuffer(bytes: cluster), startsWithKeyFrame: keyFrame))
        }
        let onlyAudio = split(WebM.header() + WebM.cluster() + audio + WebM.cluster() + audio)
        #expect(onlyAudio.map(\.isJoinPoint) == [false, false, false])
    }

    @Test("without a video track a viewer can start at every cluster")
    func audioOnly() {
        let cluster = WebM.cluster() + WebM.simpleBlock(track: 2, keyFrame: false)
        let pieces = split(WebM.header(videoTrack: nil) + cluster + cluster)
        #expect(pieces.map(\.isJoinPoint) == [false, true, true])
    }

    @Test("a block group is a key frame when it refers to no other block", arguments: [true, false])
    func blockGroups(keyFrame: Bool) {
        let pieces = split(WebM.header() + WebM.cluster() + WebM.blockGroup(track: 1, keyFrame: keyFrame))
        #expect(pieces.count == 2)
        #expect(pieces.last?.isJoinPoint == keyFrame)
    }

    @Test("a block is given out as soon as its last byte is there, not at the end of its cluster")
    func latency() {
        var splitter = WebMSplitter()
        splitter.feed(ByteBuffer(bytes: WebM.header() + WebM.cluster()))
        #expect(splitter.nextPiece()?.isHeader == true)
        #expect(splitter.nextPiece() == nil)
        for turn in 0..<3 {
            let block = WebM.simpleBlock(track: 1, keyFrame: turn == 0)
            splitter.feed(ByteBuffer(bytes: block.dropLast()))
            #expect(splitter.nextPiece() == nil)
            splitter.feed(ByteBuffer(bytes: block.suffix(1)))
            #expect(splitter.nextPiece()?.isJoinPoint == (turn == 0))
            #expect(splitter.nextPiece() == nil)
        }
    }

    @Test("a block above the piece limit comes in several pieces, still marked as a join point")
    func largeBlocks() {
        let options = WebMSplitter.Options(maximumPieceBytes: 1024)
        let stream = WebM.header() + WebM.cluster() + WebM.simpleBlock(track: 1, keyFrame: true, bytes: 5000)
        let pieces = split(stream, sizes: [100], options: options)
        #expect(joined(pieces) == stream)
        #expect(pieces.filter(\.isJoinPoint).count == 1)
        #expect(pieces.dropFirst().allSatisfy { $0.bytes.readableBytes <= 1024 })
    }

    @Test("a second EBML header in the stream is a new header with its own tracks")
    func chainedStreams() {
        let video = WebM.header(audioTrack: nil) + WebM.cluster() + WebM.simpleBlock(track: 1, keyFrame: true)
        let audio =
            WebM.header(videoTrack: nil, audioTrack: 1) + WebM.cluster() + WebM.simpleBlock(track: 1, keyFrame: false)
        let pieces = split(video + audio)
        #expect(pieces.map(\.isHeader) == [true, false, true, false])
        #expect(pieces.map(\.isJoinPoint) == [false, true, false, true])
        #expect(joined(pieces) == video + audio)
    }

    @Test("what is not WebM is passed on at once as it is")
    func opaqueFromTheStart() {
        var splitter = WebMSplitter()
        splitter.feed(ByteBuffer(string: "h"))
        #expect(splitter.nextPiece() == .opaque(ByteBuffer(string: "h")))
        splitter.feed(ByteBuffer(string: "ello"))
        #expect(splitter.nextPiece() == .opaque(ByteBuffer(string: "ello")))
    }

    @Test("a stream that turns bad midway goes on as opaque bytes")
    func opaqueMidway() {
        let good = WebM.header() + WebM.cluster() + WebM.simpleBlock(track: 1, keyFrame: true)
        let bad: [UInt8] = [0, 1, 2, 3] + WebM.cluster()
        let pieces = split(good + bad)
        #expect(pieces.last == .opaque(ByteBuffer(bytes: bad)))
        #expect(pieces.count == 3)
    }

    @Test("a header above its limit makes the stream opaque, and no more than the limit is held back")
    func hugeHeader() {
        let options = WebMSplitter.Options(maximumHeaderBytes: 2048)
        let stream = WebM.header() + WebM.element(EBMLID.void, [UInt8](repeating: 0, count: 4000))
        var splitter = WebMSplitter(options: options)
        splitter.feed(ByteBuffer(bytes: stream.prefix(2047)))
        #expect(splitter.nextPiece() == nil)
        splitter.feed(ByteBuffer(bytes: stream.dropFirst(2047)))
        #expect(splitter.nextPiece() == .opaque(ByteBuffer(bytes: stream)))
    }

    @Test("a stream that ends before its first cluster is opaque")
    func headerOnly() {
        #expect(split(WebM.header()) == [.opaque(ByteBuffer(bytes: WebM.header()))])
        #expect(split([]) == [])
    }

    @Test("the content type names the kind and the codecs")
    func contentType() {
        func contentType(_ header: [UInt8]) -> String? {
            var splitter = WebMSplitter()
            splitter.feed(ByteBuffer(bytes: header + WebM.cluster()))
            _ = splitter.nextPiece()
            return splitter.contentType
        }
        #expect(contentType(WebM.header()) == "video/webm; codecs=\"vp8, opus\"")
        #expect(contentType(WebM.header(videoTrack: nil)) == "audio/webm; codecs=\"opus\"")
        #expect(
            contentType(WebM.header() + WebM.element(EBMLID.tracks, WebM.track(3, type: 1, codec: "V_X")))
                == "video/webm"
        )
        #expect(contentType(WebM.element(EBMLID.ebml, [])) == "video/x-matroska")
        #expect(contentType(Array("plain text".utf8)) == nil)
    }
}
