import Testing

@testable import PeerTreeCore

@Suite("Frames on the wire", .timeLimit(.minutes(5)))
struct FrameTests {
    @Test("A chunk header has the documented layout, byte for byte")
    func layout() throws {
        let header = ChunkHeader(
            sequence: 0x0102_0304_0506_0708,
            stripe: 4,
            flags: [.first, .joinPoint, .retained],
            retainedKey: 0x0A0B,
            timestamp: 0x1112_1314_1516_1718,
            fragment: 0,
            rowWidth: 7
        )
        let expected: [UInt8] = [
            0x10, 28, 0x00, 0x0D, 4, 7, 0x0A, 0x0B,
            1, 2, 3, 4, 5, 6, 7, 8,
            0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
            0, 0, 0, 0,
        ]
        #expect(header.encoded() == expected)
        let decoded = try ChunkHeader.decode(TestBuffer(bytes: expected + [9, 9]))
        #expect(decoded.header == header)
        #expect(decoded.payloadOffset == 28)
    }

    @Test("A longer header of a later version is skipped")
    func longerHeader() throws {
        var bytes = ChunkHeader(
            sequence: 1,
            stripe: 0,
            flags: [.first, .last],
            retainedKey: 0,
            timestamp: 0,
            fragment: 0
        ).encoded()
        bytes[1] = 36
        let decoded = try ChunkHeader.decode(TestBuffer(bytes: bytes + Array(repeating: 0xEE, count: 8) + [1, 2, 3]))
        #expect(decoded.payloadOffset == 36)
    }

    @Test(
        "Impossible chunk headers are refused, each with its reason",
        arguments: [
            (offset: 1, value: UInt8(27), FrameError.badHeaderLength),
            (offset: 1, value: 200, .badHeaderLength),
            (offset: 4, value: 16, .badStripe),
            (offset: 8, value: 0xFF, .badSequence),
            (offset: 27, value: 1, .badFragment),
            (offset: 5, value: 1, .badStripe),
            (offset: 5, value: 17, .badStripe),
            (offset: 5, value: 4, .badStripe),
            (offset: 7, value: 1, .badValue),
        ]
    )
    func impossible(offset: Int, value: UInt8, error: FrameError) {
        var bytes = ChunkHeader(
            sequence: 5,
            stripe: 0,
            flags: [.first, .last],
            retainedKey: 0,
            timestamp: 0,
            fragment: 0
        ).encoded()
        bytes[offset] = value
        #expect(throws: error) { try ChunkHeader.decode(TestBuffer(bytes: bytes)) }
    }

    @Test("A chunk may carry no more than the maximum payload")
    func oversized() {
        let header = ChunkHeader(
            sequence: 0,
            stripe: 0,
            flags: [.first],
            retainedKey: 0,
            timestamp: 0,
            fragment: 0
        ).encoded()
        let payload = [UInt8](repeating: 0, count: ChunkHeader.maximumPayload + 1)
        #expect(throws: FrameError.oversized) { try ChunkHeader.decode(TestBuffer(bytes: header + payload)) }
        #expect(throws: Never.self) { try ChunkHeader.decode(TestBuffer(bytes: header + payload.dropLast())) }
    }

    private static let frames: [ControlFrame] = [
        .subscribe(stripe: 2, start: .joinPoint, window: 77, streamID: 0xFFFF_0000_1111_2222),
        .subscribe(stripe: 0, start: .sequence(1 << 40), window: 1, streamID: 3),
        .subscribed(stripe: 15, policy: .live, streamID: 9, start: 100, next: 200),
        .unsubscribe(stripe: 1),
        .credit(limit: .max, frontier: 12, complete: true),
        .request([SequenceRange(start: 1, end: 2), SequenceRange(start: 10, end: 1 << 50)]),
        .unavailable([SequenceRange(start: 0, end: 1)]),
        .skip(stripe: 0, SequenceRange(start: 3, end: 9)),
        .heartbeat(timestamp: 123_456, echo: 65_432, held: 99),
        .close(.slow),
        .pulse(next: 1 << 40, clock: 1_700_000_000_000_000),
        .inquire(stripe: 3),
        .head(stripe: 3, next: 1 << 40),
        .restart(stripe: 3, next: 7),
        .stream(0xFFFF_0000_1111_2222),
        .pulling,
    ]

    @Test("Every control frame survives encoding, and bytes of later versions behind it", arguments: frames.indices)
    func roundTrip(index: Int) throws {
        let bytes = Self.frames[index].encoded()
        #expect(try ControlFrame.decode(TestBuffer(bytes: bytes)) == Self.frames[index])
        #expect(try ControlFrame.decode(TestBuffer(bytes: bytes + [1, 2, 3])) == Self.frames[index])
    }

    @Test("A control frame cut anywhere is refused", arguments: frames.indices)
    func truncated(index: Int) {
        let bytes = Self.frames[index].encoded()
        for length in 0..<bytes.count {
            #expect(throws: FrameError.self) { try ControlFrame.decode(TestBuffer(bytes: Array(bytes.prefix(length)))) }
        }
    }

    @Test("Ranges must not be empty, reversed or too many")
    func ranges() {
        let reversed = ControlFrame.request([SequenceRange(start: 5, end: 5)]).encoded()
        #expect(throws: FrameError.badRange) { try ControlFrame.decode(TestBuffer(bytes: reversed)) }
        var many = ControlFrame.request([SequenceRange(start: 0, end: 1)]).encoded()
        many[1] = 33
        many += [UInt8](repeating: 1, count: 600)
        #expect(throws: FrameError.badRange) { try ControlFrame.decode(TestBuffer(bytes: many)) }
        many[1] = 0
        #expect(throws: FrameError.badRange) { try ControlFrame.decode(TestBuffer(bytes: many)) }
    }
}
