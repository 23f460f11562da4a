import NIOCore
import Testing

@testable import PeerTreeMedia

@Suite(.timeLimit(.minutes(5))) struct CodecTests {
    /// The first bytes of a key frame of libvpx-vp9: profile 0, 320x180.
    static let vp9: [UInt8] = [0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xF0, 0x0B, 0x30, 0x00]

    @Test("a VP9 key frame tells profile, depth and size; the codec string names the lowest level that allows it")
    func vp9KeyFrame() throws {
        let key = try #require(VP9KeyFrame(ByteBuffer(bytes: Self.vp9)))
        #expect((key.profile, key.bitDepth, key.width, key.height) == (0, 8, 320, 180))
        #expect(key.codec(framerate: 25) == "vp09.00.11.08")
        #expect(key.codec(framerate: 1) == "vp09.00.11.08")
        var inter = Self.vp9
        inter[0] |= 0x04
        #expect(VP9KeyFrame(ByteBuffer(bytes: inter)) == nil)
        for length in 0..<8 { #expect(VP9KeyFrame(ByteBuffer(bytes: Self.vp9.prefix(length))) == nil) }
    }

    @Test("VP9's CodecPrivate gives the codec string, if it is whole")
    func vp9Private() {
        #expect(VP9CodecPrivate(ByteBuffer(bytes: [1, 1, 2, 2, 1, 31, 3, 1, 10, 4, 1, 1])).codec == "vp09.02.31.10")
        #expect(VP9CodecPrivate(ByteBuffer(bytes: [1, 1, 0, 2, 1, 31])).codec == nil)
        #expect(VP9CodecPrivate(ByteBuffer(bytes: [1, 200, 0])).codec == nil)
    }

    @Test(
        "av1C and the codec string of AV1 say the same",
        arguments: ["av01.0.04M.08", "av01.1.13H.10", "av01.2.31H.12"]
    )
    func av1(codec: String) throws {
        let configuration = try #require(AV1Configuration(codec: codec))
        #expect(configuration.codec == codec)
        #expect(AV1Configuration(av1C: configuration.av1C(keyFrame: ByteBuffer())) == configuration)
    }

    @Test("a made-up av1C has the sequence header of the key frame, and frames lose their temporal delimiter")
    func av1Units() throws {
        let configuration = try #require(AV1Configuration(codec: "av01.0.04M.08"))
        let frame = ByteBuffer(bytes: [0x12, 0x00, 0x0A, 0x03, 1, 2, 3, 0x32, 0x01, 9])
        #expect(
            Array(configuration.av1C(keyFrame: frame).readableBytesView) == [0x81, 0x04, 0x0C, 0, 0x0A, 3, 1, 2, 3]
        )
        #expect(Array(AV1Unit.withoutDelimiter(frame).readableBytesView).first == 0x0A)
        for text in ["av01", "av01.0.4.08", "av01.3.04M.08", "av01.0.04M.09", "av01.0.04M.08.0.999"] {
            #expect(AV1Configuration(codec: text) == nil)
        }
    }

    static let packets: [([UInt8], UInt32?)] = [
        ([0x78, 1], 20_000), ([0xF8], 20_000), ([0xE1, 1], 5000), ([0x18], 60_000), ([0x1B, 2], 120_000),
        ([0x63, 0x83], 30_000), ([0x1B, 3], nil), ([0x63, 0], nil), ([0x63], nil), ([], nil),
    ]

    @Test("an Opus packet tells how long it sounds", arguments: packets)
    func opus(packet: [UInt8], duration: UInt32?) {
        #expect(OpusPacket.duration(ByteBuffer(bytes: packet)) == duration)
    }

    @Test("the codec strings of H.264 and AAC come from their configurations")
    func mpeg4() {
        #expect(MPEG4Codec.h264(avcC: ByteBuffer(bytes: [1, 0x42, 0xE0, 0x0A, 0xFF, 0xE1, 0])) == "avc1.42E00A")
        #expect(MPEG4Codec.h264(avcC: ByteBuffer(bytes: [1, 0x42])) == nil)
        #expect(MPEG4Codec.aac(ByteBuffer(bytes: [0x12, 0x10])) == "mp4a.40.2")
        #expect(MPEG4Codec.aac(ByteBuffer(bytes: [0xF8, 0xE0])) == "mp4a.40.39")
        #expect(MPEG4Codec.aac(ByteBuffer()) == nil)
    }
}
