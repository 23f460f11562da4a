import NIOCore
import Testing

@testable import PeerTreeMedia

@Suite(.timeLimit(.minutes(5))) struct MediaFrameTests {
    @Test("a frame's message is what the documentation says, to the byte")
    func exactBytes() {
        let frame = MediaFrame(
            track: 3,
            isKeyFrame: true,
            number: 0x0102_0304,
            timestamp: -2,
            duration: 33_333,
            payload: ByteBuffer(bytes: [0xAA, 0xBB])
        )
        let expected: [UInt8] = [
            1, 24, 3, 1, 1, 2, 3, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0x82, 0x35, 0, 0, 0, 0,
            0xAA, 0xBB,
        ]
        #expect(Array(frame.encoded().readableBytesView) == expected)
        #expect(MediaFrame(message: ByteBuffer(bytes: expected)) == frame)
    }

    @Test("a longer header is skipped; other flags and other types of messages are ignored")
    func extensions() {
        let frame = HandmadeMedia.frame(1, 5, at: 40)
        var bytes = Array(frame.encoded().readableBytesView)
        bytes.insert(contentsOf: [9, 9, 9], at: 24)
        bytes[1] = 27
        bytes[3] |= 0xFE
        #expect(MediaFrame(message: ByteBuffer(bytes: bytes)) == frame)
        bytes[0] = 2
        #expect(MediaFrame(message: ByteBuffer(bytes: bytes)) == nil)
    }

    @Test("messages too short for their header are no frames", arguments: 0..<24)
    func short(length: Int) {
        let bytes = Array(HandmadeMedia.frame(1, 0, at: 0).encoded().readableBytesView)
        #expect(MediaFrame(message: ByteBuffer(bytes: bytes.prefix(length))) == nil)
        var claims = bytes
        claims[1] = UInt8(length)
        #expect(MediaFrame(message: ByteBuffer(bytes: claims)) == nil)
        claims[1] = 255
        #expect(MediaFrame(message: ByteBuffer(bytes: claims)) == nil)
    }
}

@Suite(.timeLimit(.minutes(5))) struct MediaCatalogTests {
    @Test("the catalog of the documentation is read")
    func documented() throws {
        let text = """
            {"media":1,"title":"Talk","live":true,"origin":1795498277000000,
             "tracks":[
              {"id":1,"kind":"video","codec":"vp8","codedWidth":640,"codedHeight":360,"framerate":30,"bitrate":800000},
              {"id":2,"kind":"audio","codec":"opus","sampleRate":48000,"numberOfChannels":2,"bitrate":64000}]}
            """
        let catalog = try MediaCatalog(parsing: ByteBuffer(string: text))
        let video = VideoParameters(codedWidth: 640, codedHeight: 360, framerate: 30)
        let audio = AudioParameters(sampleRate: 48_000, numberOfChannels: 2)
        #expect(
            catalog
                == MediaCatalog(
                    title: "Talk",
                    isLive: true,
                    origin: 1_795_498_277_000_000,
                    tracks: [
                        MediaTrack(id: 1, codec: "vp8", parameters: .video(video), bitrate: 800_000),
                        MediaTrack(id: 2, codec: "opus", parameters: .audio(audio), bitrate: 64_000),
                    ]
                )
        )
        #expect(try MediaCatalog(parsing: catalog.encoded()) == catalog)
    }

    @Test("everything that a catalog can have survives being written and read")
    func roundTrip() throws {
        let aspect = VideoParameters.DisplayAspect(width: 16, height: 9)
        let video = VideoParameters(codedWidth: 720, codedHeight: 576, displayAspect: aspect, framerate: 30_000 / 1001)
        let catalog = MediaCatalog(
            title: "\"Ünïcode\" / \u{1F333}",
            duration: 12_345_678,
            tracks: [
                MediaTrack(
                    id: 255,
                    codec: "avc1.42E01F",
                    codecDescription: ByteBuffer(bytes: 0...255),
                    parameters: .video(video)
                )
            ]
        )
        #expect(try MediaCatalog(parsing: catalog.encoded()) == catalog)
    }

    @Test("tracks of another kind, unknown members and hints that make no sense are passed over")
    func lenient() throws {
        let text = """
            {"media":1,"live":"yes","title":7,"duration":-5,"origin":"now","new":[[]],"tracks":[{"kind":"text"},
            {"id":9,"kind":"video","codec":"vp8","codedWidth":0,"codedHeight":1e99,"framerate":-1,"bitrate":"much"}]}
            """
        let catalog = try MediaCatalog(parsing: ByteBuffer(string: text))
        let video = VideoParameters(codedWidth: nil, codedHeight: nil)
        #expect(catalog == MediaCatalog(tracks: [MediaTrack(id: 9, codec: "vp8", parameters: .video(video))]))
    }

    static let refused = [
        "", "[]", "null", "{\"tracks\":[]}", "{\"media\":1,\"tracks\":[]}", "{\"media\":2,\"tracks\":[{}]}",
        "{\"media\":1,\"tracks\":[{\"id\":0,\"kind\":\"video\",\"codec\":\"vp8\"}]}",
        "{\"media\":1,\"tracks\":[{\"id\":256,\"kind\":\"video\",\"codec\":\"vp8\"}]}",
        "{\"media\":1,\"tracks\":[{\"id\":1,\"kind\":\"video\"}]}",
        "{\"media\":1,\"tracks\":[{\"id\":1,\"kind\":\"audio\",\"codec\":\"opus\"}]}",
        "{\"media\":1,\"tracks\":[{\"id\":1,\"kind\":\"video\",\"codec\":\"vp8\",\"description\":\"%\"}]}",
        "{\"media\":1,\"tracks\":" + String(repeating: "[", count: 30_000),
        "{\"media\":1,\"title\":\"" + String(repeating: "x", count: 65_536) + "\",\"tracks\":[{\"kind\":\"x\"}]}",
    ]

    @Test("a catalog that cannot be is refused", arguments: refused)
    func refusal(text: String) {
        #expect(throws: MediaFormatError.self) { try MediaCatalog(parsing: ByteBuffer(string: text)) }
    }

    @Test("two tracks of one id are refused")
    func twins() throws {
        let twice = MediaCatalog(tracks: [HandmadeMedia.videoTrack, HandmadeMedia.videoTrack])
        #expect(throws: MediaFormatError.self) { try MediaCatalog(parsing: twice.encoded()) }
    }
}

@Suite(.timeLimit(.minutes(5))) struct ContentDescriptionTests {
    @Test("the description of the documentation is read, and written again the same")
    func documented() throws {
        let text = #"{"content":1,"name":"slides.pdf","type":"application/pdf","size":123456}"#
        let content = try ContentDescription(parsing: ByteBuffer(string: text))
        #expect(content == ContentDescription(name: "slides.pdf", type: "application/pdf", size: 123_456))
        #expect(try ContentDescription(parsing: content.encoded()) == content)
    }

    static let names: [(String, String?)] = [
        ("/etc/passwd", "passwd"), ("..", nil), ("../../.bashrc", "bashrc"), ("a\\b\\c.txt", "c.txt"), ("", nil),
        ("/", nil), ("tab\tnew\nline\u{1B}[31m.txt", "tabnewline[31m.txt"), ("exe\u{202E}fdp.", "exefdp."),
        (" . ", nil), (String(repeating: "x", count: 300), String(repeating: "x", count: 255)),
        ("über.txt", "über.txt"),
    ]

    @Test("a name is never a path, never hidden, and cannot move the cursor", arguments: names)
    func name(given: String, offered: String?) {
        #expect(ContentDescription(name: given).name == offered)
    }

    @Test("sizes and types that cannot be are dropped; other JSON is refused")
    func hostile() throws {
        let text = #"{"content":1,"type":"text/ht\u0000ml","size":-1}"#
        #expect(try ContentDescription(parsing: ByteBuffer(string: text)) == ContentDescription())
        for text in [#"{"content":2}"#, "{}", "[1]", String(repeating: " ", count: 5000) + #"{"content":1}"#] {
            #expect(throws: MediaFormatError.self) { try ContentDescription(parsing: ByteBuffer(string: text)) }
        }
    }
}

@Suite(.timeLimit(.minutes(5))) struct MediaPacketizerTests {
    @Test("the catalog is retained text, key frames of the first video track are join points")
    func video() throws {
        var packetizer = MediaPacketizer()
        let catalog = try #require(try packetizer.describe(HandmadeMedia.catalog))
        #expect(catalog.isText && catalog.retainedKey == 1 && !catalog.isJoinPoint)
        #expect(try packetizer.describe(HandmadeMedia.catalog) == nil)
        let messages = [
            HandmadeMedia.frame(1, 0, at: 0), HandmadeMedia.frame(2, 0, at: 0),
            HandmadeMedia.frame(1, 1, at: 40, key: false), HandmadeMedia.frame(1, 2, at: 80),
        ].map { packetizer.message(of: $0) }
        #expect(messages.map(\.isJoinPoint) == [true, false, false, true])
        #expect(messages.allSatisfy { !$0.isText && $0.retainedKey == nil })
        #expect(MediaFrame(message: messages[2].payload) == HandmadeMedia.frame(1, 1, at: 40, key: false))
    }

    @Test("without video the first audio frame is a join point, then one a second")
    func audio() throws {
        var packetizer = MediaPacketizer()
        _ = try packetizer.describe(MediaCatalog(tracks: [HandmadeMedia.audioTrack]))
        let points = (0..<120).filter { number in
            packetizer.message(of: HandmadeMedia.frame(2, UInt32(number), at: Int64(number) * 20)).isJoinPoint
        }
        #expect(points == [0, 50, 100])
    }
}
