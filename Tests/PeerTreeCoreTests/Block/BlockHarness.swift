@testable import PeerTreeCore

/// Signs as a host would: here a signature is a hash under a secret.
enum TestKey {
    static let key = SourceKey(Array(repeating: 7, count: SourceKey.length))

    static func sign(_ statement: [UInt8]) -> Signature? {
        let hash = SHA256Hasher.hash(Array("secret".utf8) + statement).bytes
        return Signature(hash + hash)
    }

    static func hasSigned(_ statement: [UInt8], _ signature: Signature) -> Bool {
        sign(statement) == signature
    }
}

/// A source's hand: cuts messages, closes blocks, has them signed.
struct BlockWriter {
    var signer = BlockSigner<TestBuffer>(streamID: SignedStreamID(high: 9, low: 10))
    var chunker = Chunker<TestBuffer>(stripes: 1, isBare: true)
    /// Messages follow each other by more than a signer waits.
    var now = Instant(nanoseconds: 1_000_000_000)

    /// The frames of one message, whose block is closed at once.
    mutating func frames(of payload: [UInt8], _ options: MessageOptions = MessageOptions()) -> [TestBuffer] {
        now = now + .seconds(1)
        let chunks = chunker.cut(TestBuffer(bytes: payload), options, timestamp: now.nanoseconds / 1_000)
        return signed(signer.add(chunks, at: now)).map(\.frame)
    }

    /// What the source says of its stream as a whole.
    func head(startedAt: UInt64 = 1, policy: StreamPolicy = .live) -> TestBuffer {
        let head = SourceHead(streamID: signer.streamID, startedAt: startedAt, policy: policy)
        return TestBuffer(said: .head(head), { .head(head, $0) })
    }

    /// How far it is.
    func pulse(clock: UInt64, _ retained: [SourcePulse.Retained] = [], next: UInt64? = nil) -> TestBuffer {
        let next = next ?? chunker.nextSequence
        let extent = SourceExtent(blocks: min(next, 1), next: next)
        let pulse = SourcePulse(streamID: signer.streamID, clock: clock, extent: extent, retained: retained)
        return TestBuffer(said: .pulse(pulse), { .pulse(pulse, $0) })
    }

    /// What goes out once these blocks are signed.
    mutating func signed(_ requests: [BlockSigner<TestBuffer>.Request]) -> [ReplayBuffer<TestBuffer>.Chunk] {
        var chunks: [ReplayBuffer<TestBuffer>.Chunk] = []
        for request in requests {
            guard let signature = TestKey.sign(request.statement) else { continue }
            chunks += signer.signed(request.block, signature)
        }
        return chunks
    }
}

extension TestBuffer {
    fileprivate init(said statement: SourceStatement, _ frame: (Signature) -> SourceFrame) {
        self.init(bytes: TestKey.sign(statement.signedBytes).map { frame($0).encoded() } ?? [])
    }

    /// The frame with one bit of a byte turned.
    func changed(at offset: Int) -> TestBuffer {
        var changed = Array(bytes)
        changed[offset] ^= 1
        return TestBuffer(bytes: changed)
    }

    /// With another bit of its payload's last byte.
    var forged: TestBuffer { changed(at: count - 1) }
}
