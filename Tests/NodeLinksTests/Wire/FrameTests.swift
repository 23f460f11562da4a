import NIOCore
import NodeLinks
import TestSupport
import Testing

/// Frames as bytes.
@Suite(.timeLimit(.minutes(1)))
struct FrameTests {
    private func written(_ frame: LinkFrame) -> [UInt8] {
        var buffer = ByteBuffer()
        frame.write(to: &buffer)
        return Array(buffer.readableBytesView)
    }

    @Test("numbered frames and acknowledgements have the bytes that the page says")
    func bytes() {
        #expect(written(.data(258, ByteBuffer(bytes: [9, 8]))) == [0, 0, 0, 11, 6, 0, 0, 0, 0, 0, 0, 1, 2, 9, 8])
        #expect(written(.acknowledge(3)) == [0, 0, 0, 9, 7, 0, 0, 0, 0, 0, 0, 0, 3])
        #expect(written(.attached(.unknownSession)) == [0, 0, 0, 2, 5, 0])
        #expect(written(.refuse(.superseded)).prefix(6) == [0, 0, 0, 47, 3, 1])
    }

    @Test("a stream is cut into its frames, in whatever pieces it comes", arguments: UInt64(0)..<200)
    func pieces(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let frames = (1...20).map { number in
            LinkFrame.data(number, ByteBuffer(bytes: random.bytes(Int(random.next() % 300))))
        }
        var stream = ByteBuffer()
        for frame in frames { frame.write(to: &stream) }
        var (reader, read) = (FrameReader(), [LinkFrame]())
        while stream.readableBytes > 0 {
            let length = 1 + Int(random.next() % UInt64(min(stream.readableBytes, 200)))
            if let piece = stream.readSlice(length: length) { reader.append(piece) }
            while let body = try reader.next(limit: 400) { read.append(try LinkFrame(reading: body)) }
        }
        #expect(read == frames)
        #expect(reader.pendingBytes == 0)
    }

    @Test("a length beyond the limit is refused before its bytes come, and none is refused, too")
    func lengths() {
        var reader = FrameReader()
        reader.append(ByteBuffer(bytes: [255, 255, 255, 255]))
        #expect(throws: LinkViolation.tooLong(bytes: 4_294_967_295, limit: 512)) { try reader.next(limit: 512) }
        reader = FrameReader()
        reader.append(ByteBuffer(bytes: [0, 0, 0, 0]))
        #expect(throws: LinkViolation.empty) { try reader.next(limit: 512) }
    }

    @Test("what another node says of a refusal can stand in a log")
    func words() throws {
        let bytes = [3, 0, 0x1B, 0x0A, 0xFF] + [UInt8](repeating: 65, count: 300)
        #expect(
            try LinkFrame(reading: ByteBuffer(bytes: bytes))
                == .refuse(.said("???" + String(repeating: "A", count: 197)))
        )
    }

    @Test("names have an alphabet, a length and an order")
    func names() {
        #expect(NodeName("") == nil && NodeName("a b") == nil && NodeName("ä") == nil)
        #expect(NodeName(String(repeating: "a", count: 64)) != nil)
        #expect(NodeName(String(repeating: "a", count: 65)) == nil)
        #expect(NodeName("node-1.example_x").map { "\($0)" } == "node-1.example_x")
        #expect(["b", "B", "a"].compactMap { NodeName($0) }.sorted().map { "\($0)" } == ["B", "a", "b"])
    }
}
