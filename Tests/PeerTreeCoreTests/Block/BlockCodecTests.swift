import Foundation
import TestSupport
import Testing

@testable import PeerTreeCore

/// The expected bytes were written by a program in another language, with another implementation of the hash and of
/// Ed25519; `Protocol.md` shows them.
@Suite("Signed blocks on the wire", .timeLimit(.minutes(5)))
struct BlockCodecTests {
    private static let streamID = SignedStreamID(high: 0xA0A1_A2A3_A4A5_A6A7, low: 0xA8A9_AAAB_ACAD_AEAF)
    private static let documentation = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Documentation/PeerTree.docc/Protocol.md")
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Corpus/blocks")

    private static let header = ChunkHeader(
        sequence: 9,
        stripe: 0,
        flags: [.first, .last, .retained, .text],
        retainedKey: 7,
        timestamp: 1_700_000_000_000_000,
        fragment: 0
    )
    private static let block = BlockHeader(streamID: streamID, number: 5, first: header, count: 1)
    private static let signature = Signature(
        unhexed(
            "38ed6eb3d0f20f82bb38a64fd4a3815bb4a6c7393f9adeb1a4a64d58d447e79a"
                + "e6d4a7ec0a3690d37799aedaa3522fa322e6ffc20faa2a009710d4f11d2b0107"
        )
    )
    private static let root = "9b10560a82eb46f5db9e148980464efe73c38384f6d8151a342762b3fc7520ad"
    private static let statement =
        "706565722d7472656520626c6f636b203100"
        + "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0000000000000005000000000000000900060a24181e40000001001b0007" + root
    private static let frame =
        "11001b00000900060a24181e4000000007" + "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf050001"
        + "38ed6eb3d0f20f82bb38a64fd4a3815bb4a6c7393f9adeb1a4a64d58d447e79a"
        + "e6d4a7ec0a3690d37799aedaa3522fa322e6ffc20faa2a009710d4f11d2b0107" + "68656c6c6f"

    private static func input(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: corpus.appendingPathComponent(name)))
    }

    @Test("A block of one chunk is, byte for byte, what the protocol article shows")
    func blockOfOne() throws {
        let payload = TestBuffer(bytes: Array("hello".utf8))
        let root = try #require(MerkleTree(leaves: [Self.header.leaf(payload)]).root)
        #expect(hexadecimal(root.bytes) == Self.root)
        #expect(hexadecimal(SourceStatement.block(Self.block, root: root).signedBytes) == Self.statement)
        let chunk = SignedChunk(
            header: Self.header,
            block: Self.block,
            signature: try #require(Self.signature),
            path: []
        )
        #expect(hexadecimal(chunk.encoded() + payload.bytes) == Self.frame)
        let shown = try String(contentsOf: Self.documentation, encoding: .utf8).filter { !$0.isWhitespace && $0 != "`" }
        for expected in [Self.root, Self.statement, Self.frame] { #expect(shown.contains(expected)) }
    }

    @Test("Every chunk of a block of three leads to the one root that was signed")
    func blockOfThree() throws {
        for index in 0..<3 {
            let frame = TestBuffer(bytes: try Self.input("chunk-\(index)-of-3"))
            let (chunk, payloadOffset) = try SignedChunk.decode(frame)
            #expect(chunk.block.number == 6)
            #expect(chunk.block.index(of: chunk.header) == index)
            let root = try #require(chunk.root(over: frame.slice(from: payloadOffset, to: frame.count)))
            #expect(hexadecimal(root.bytes) == "4bd2d6419e135bb5682ff2923b6096ddc67b2a1a78266b9b12f8ca25a804e3ad")
        }
    }

    @Test("Every chunk of two rows leads to the one root that was signed, and follows from the others of its row")
    func blockOfTwoRows() throws {
        var replay = ReplayBuffer<TestBuffer>(maximumChunks: 64, maximumBytes: 1 << 20)
        var chunks: [ReplayBuffer<TestBuffer>.Chunk] = []
        for index in 0..<6 {
            let frame = TestBuffer(bytes: try Self.input("row-\(index)-of-6"))
            let (chunk, payloadOffset) = try SignedChunk.decode(frame)
            chunks.append(ReplayBuffer.Chunk(header: chunk.header, frame: frame, payloadOffset: payloadOffset))
            let root = try #require(chunk.root(over: frame.slice(from: payloadOffset, to: frame.count)))
            #expect(hexadecimal(root.bytes) == "177ffa7417117a0131f565a0bb3711266f5ee9debbb83c7400b288a7c6d7c290")
        }
        for missing in chunks {
            replay.reset(to: 12)
            for chunk in chunks where chunk.header != missing.header { _ = replay.insert(chunk) }
            // What lies behind what is missing tells that it is.
            let last = ChunkHeader(sequence: 18, stripe: 0, flags: [.first], retainedKey: 0, timestamp: 0, fragment: 0)
            _ = replay.insert(ReplayBuffer.Chunk(header: last, frame: TestBuffer(bytes: []), payloadOffset: 0))
            let row = try #require(Row(of: missing.header))
            guard case .chunk(let rebuilt) = replay.completion(of: row, isSigned: true) else {
                Issue.record("chunk \(missing.header.sequence) was not given back")
                continue
            }
            #expect(rebuilt.frame == missing.frame)
        }
    }

    /// Nothing unverified may be passed on, so whatever of a frame could be changed without changing the root, the header
    /// or the signature would be a hole.
    @Test("Whatever bit of a chunk is changed, it is refused, or is under another root, header or signature")
    func everyBit() throws {
        let good = try Self.input("chunk-1-of-3")
        func said(_ bytes: [UInt8]) -> (Hash256, BlockHeader, Signature)? {
            let frame = TestBuffer(bytes: bytes)
            guard let (chunk, offset) = try? SignedChunk.decode(frame),
                let root = chunk.root(over: frame.slice(from: offset, to: frame.count))
            else { return nil }
            return (root, chunk.block, chunk.signature)
        }
        let truth = try #require(said(good))
        // The first byte is what the frame is told by.
        for bit in 8..<good.count * 8 {
            var damaged = good
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            if let lie = said(damaged) { #expect(lie != truth, "bit \(bit)") }
        }
    }

    @Test("A chunk cut anywhere before its payload is refused", arguments: ["chunk-alone", "chunk-2-of-3"])
    func truncated(name: String) throws {
        let bytes = try Self.input(name)
        let (_, payloadOffset) = try SignedChunk.decode(TestBuffer(bytes: bytes))
        for length in 0..<payloadOffset {
            let cut = TestBuffer(bytes: Array(bytes.prefix(length)))
            #expect(throws: FrameError.truncated) { try SignedChunk.decode(cut) }
        }
    }

    @Test(
        "Impossible chunks are refused, each with its reason",
        arguments: [
            ("chunk-alone", offset: 3, value: UInt8(16), FrameError.badStripe),
            ("chunk-alone", offset: 4, value: 1, .badStripe),
            // A sequence number, a fragment and a block's number in more bytes than it takes.
            ("chunk-alone", offset: 5, value: 0x40, .badValue),
            ("chunk-alone", offset: 14, value: 0x40, .badValue),
            ("chunk-alone", offset: 33, value: 0x40, .badBlock),
            // A block's number beyond its first chunk's; an index beyond the count, or the chunk's number.
            ("chunk-alone", offset: 33, value: 10, .badBlock),
            ("chunk-1-of-3", offset: 32, value: 3, .badBlock),
            ("chunk-1-of-3", offset: 32, value: 12, .badBlock),
            ("chunk-alone", offset: 35, value: 0, .badBlock),
            ("chunk-alone", offset: 35, value: 65, .badBlock),
            // The first chunk's timestamp is never said apart.
            ("chunk-alone", offset: 35, value: 0x81, .badBlock),
        ]
    )
    func impossible(name: String, offset: Int, value: UInt8, error: FrameError) throws {
        var bytes = try Self.input(name)
        bytes[offset] = value
        #expect(throws: error) { try SignedChunk.decode(TestBuffer(bytes: bytes)) }
    }

    @Test("A chunk of a block of several messages says the first one's marks, and is read as it was written")
    func ofAnotherMessage() throws {
        let signature = try #require(Self.signature)
        let first = ChunkHeader(
            sequence: 70_000,
            stripe: 0,
            flags: [.first, .last, .retained],
            retainedKey: 9,
            timestamp: 4_000_000,
            fragment: 0
        )
        var own = first
        own.sequence += 2
        for (key, timestamp) in [(UInt16(9), UInt64(4_000_000)), (3, 4_000_000), (3, 3_999_000), (9, .max)] {
            own.retainedKey = key
            own.timestamp = timestamp
            let block = BlockHeader(streamID: Self.streamID, number: 69_000, first: first, count: 3)
            let path = [Hash256](repeating: SHA256Hasher.hash([]), count: 1)
            let chunk = SignedChunk(header: own, block: block, signature: signature, path: path)
            #expect(try SignedChunk.decode(TestBuffer(bytes: chunk.encoded())).chunk == chunk)
        }
    }

    @Test("A chunk of full size is a frame of 16 KiB, and carries no byte more")
    func fullSize() throws {
        // Numbers that take the most bytes, and the longest path, which is one through a row.
        var header = Self.header
        header.sequence = (1 << 61) - (1 << 61) % 63
        header.rowWidth = 3
        var block = BlockHeader(streamID: Self.streamID, number: 1 << 60, first: header, count: 63)
        block.timestamp += 1
        header.sequence += 3
        header.fragment = .max
        header.flags.remove(.first)
        let path = [Hash256](repeating: SHA256Hasher.hash([]), count: 7)
        let chunk = SignedChunk(header: header, block: block, signature: try #require(Self.signature), path: path)
        let full = chunk.encoded() + [UInt8](repeating: 1, count: SignedChunk.maximumPayload)
        #expect(full.count == 16 * 1024)
        #expect(try SignedChunk.decode(TestBuffer(bytes: full)).chunk == chunk)
        #expect(throws: FrameError.oversized) { try SignedChunk.decode(TestBuffer(bytes: full + [1])) }
    }

    @Test("What a source signs names its kind, and is what the protocol article shows")
    func statements() throws {
        let head = SourceHead(streamID: Self.streamID, startedAt: 1_700_000_000_000_000, policy: .live)
        let extent = SourceExtent(blocks: 7, next: 13)
        let retained = [SourcePulse.Retained(key: 3, sequence: 1), SourcePulse.Retained(key: 7, sequence: 5)]
        let pulse = SourcePulse(
            streamID: Self.streamID,
            clock: 1_700_000_000_500_000,
            extent: extent,
            retained: retained
        )
        let proof = try #require(
            CreationProof(
                socketID: "AbCdEfGhIjKlMnOpAAAB",
                host: "tree.example",
                treeID: "ss36d6d5htrh4jz5dawrov7krhtn5mbh"
            )
        )
        #expect(try SourceHead(decoding: Self.input("head")) == head)
        #expect(try SourcePulse(decoding: Self.input("pulse")) == pulse)
        #expect(try Self.input("head") == head.encoded())
        #expect(try Self.input("pulse") == pulse.encoded())

        let statements: [(SourceStatement, String)] = [
            (.head(head), "706565722d747265652068656164203100" + "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00060a24181e400002"),
            (
                .pulse(pulse),
                "706565722d7472656520"
                    + "70756c7365203100a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00060a241825e120"
                    + "0000000000000007000000000000000d020003000000000000000100070000000000000005"
            ),
            (
                .create(proof),
                "706565722d747265652063726561746520310014" + "4162436445664768496a4b6c4d6e4f7041414142"
                    + "0c747265652e6578616d706c65" + "20" + "737333366436643568747268346a7a3564617772"
                    + "6f76376b7268746e356d6268"
            ),
        ]
        let shown = try String(contentsOf: Self.documentation, encoding: .utf8).filter { !$0.isWhitespace && $0 != "`" }
        for (statement, expected) in statements {
            #expect(hexadecimal(statement.signedBytes) == expected)
            #expect(shown.contains(expected))
        }
    }

    @Test("What a source says is refused if anything is missing, too much, or cannot be")
    func impossibleStatements() throws {
        let (head, pulse) = try (Self.input("head"), Self.input("pulse"))
        for length in 0..<head.count {
            #expect(throws: FrameError.truncated) { try SourceHead(decoding: Array(head.prefix(length))) }
        }
        for length in 0..<pulse.count {
            #expect(throws: FrameError.truncated) { try SourcePulse(decoding: Array(pulse.prefix(length))) }
        }
        #expect(throws: FrameError.badValue) { try SourceHead(decoding: head + [0]) }
        #expect(throws: FrameError.badValue) { try SourcePulse(decoding: pulse + [0]) }

        func damaged(_ bytes: [UInt8], _ offset: Int, _ value: UInt8) -> [UInt8] {
            var bytes = bytes
            bytes[offset] = value
            return bytes
        }
        #expect(throws: FrameError.badValue) { try SourceHead(decoding: damaged(head, 24, 3)) }
        // More blocks than chunks; none, and yet chunks; a number out of range.
        #expect(throws: FrameError.badSequence) { try SourcePulse(decoding: damaged(pulse, 31, 14)) }
        #expect(throws: FrameError.badSequence) { try SourcePulse(decoding: damaged(pulse, 31, 0)) }
        #expect(throws: FrameError.badSequence) { try SourcePulse(decoding: damaged(pulse, 32, 0x80)) }
        // More messages than allowed; not in stream order; one that was not written yet.
        #expect(throws: FrameError.badValue) { try SourcePulse(decoding: damaged(pulse, 40, 65)) }
        #expect(throws: FrameError.badValue) { try SourcePulse(decoding: damaged(pulse, 60, 1)) }
        #expect(throws: FrameError.badValue) { try SourcePulse(decoding: damaged(pulse, 60, 13)) }
    }

    @Test("On a link a head and a pulse have their type before and the signature behind, or are refused")
    func frames() throws {
        let signature = try #require(Self.signature)
        for frame in [
            SourceFrame.head(try SourceHead(decoding: Self.input("head")), signature),
            .pulse(try SourcePulse(decoding: Self.input("pulse")), signature),
        ] {
            let bytes = frame.encoded()
            #expect(try SourceFrame.decode(TestBuffer(bytes: bytes)) == frame)
            for length in 0..<bytes.count {
                let part = TestBuffer(bytes: Array(bytes.prefix(length)))
                #expect(throws: FrameError.self) { try SourceFrame.decode(part) }
            }
            #expect(throws: FrameError.badValue) { try SourceFrame.decode(TestBuffer(bytes: bytes).changed(at: 1)) }
            #expect(throws: FrameError.self) { try SourceFrame.decode(TestBuffer(bytes: bytes + [0])) }
        }
    }

    @Test("A pulse names what is in force of a key: the messages it names, and what is newer")
    func inForce() {
        let retained = [(3, 4), (7, 5), (3, 9)].map { SourcePulse.Retained(key: $0.0, sequence: $0.1) }
        let extent = SourceExtent(blocks: 10, next: 10)
        let pulse = SourcePulse(streamID: Self.streamID, clock: 1, extent: extent, retained: retained)
        let cases: [(UInt16, UInt64, Bool)] = [
            (3, 3, false), (3, 4, true), (3, 5, false), (3, 9, true), (3, 10, true), (7, 4, false), (7, 5, true),
            (8, 0, true),
        ]
        for (key, sequence, isInForce) in cases {
            #expect(pulse.isInForce(key: key, sequence: sequence) == isInForce, "\(key), \(sequence)")
        }
    }

    @Test("A proof of creation is told from every other by where one part ends and the next begins")
    func creationProofs() {
        func signed(_ socketID: Text, _ host: Text) -> [UInt8]? {
            CreationProof(socketID: socketID, host: host, treeID: "t").map { SourceStatement.create($0).signedBytes }
        }
        #expect(signed("ab", "c") != signed("a", "bc"))
        #expect(signed("", "c") == nil)
        #expect(signed("a", "") == nil)
        #expect(signed(Text([UInt8](repeating: 0x61, count: 255)), "c") != nil)
        #expect(signed(Text([UInt8](repeating: 0x61, count: 256)), "c") == nil)
    }

    @Test("A signed tree's id follows from the key, and is told from what servers make")
    func treeIDs() throws {
        // The first key of RFC 8032, section 7.1.
        let key = try #require(SourceKey(unhexed("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")))
        #expect(key.treeID == "ss36d6d5htrh4jz5dawrov7krhtn5mbh")
        #expect(SourceKey.isTreeID(key.treeID))
        #expect(SourceKey([UInt8](repeating: 1, count: 31)) == nil)
        for other: Text in [
            "", "s", "cmwrk0123456789abcdefghij", "ss36d6d5htrh4jz5dawrov7krhtn5mb",
            "ss36d6d5htrh4jz5dawrov7krhtn5mbha",
            "cs36d6d5htrh4jz5dawrov7krhtn5mbh", "ss36d6d5htrh4jz5dawrov7krhtn5mb1", "Ss36d6d5htrh4jz5dawrov7krhtn5mbh",
            "sS36d6d5htrh4jz5dawrov7krhtn5mbh",
        ] {
            #expect(!SourceKey.isTreeID(other))
        }
    }
}
