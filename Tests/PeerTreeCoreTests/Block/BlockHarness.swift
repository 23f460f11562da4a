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
    /// The frame with one bit of a byte turned.
    func changed(at offset: Int) -> TestBuffer {
        var changed = Array(bytes)
        changed[offset] ^= 1
        return TestBuffer(bytes: changed)
    }

    /// With another bit of its payload's last byte.
    var forged: TestBuffer { changed(at: count - 1) }
}
