import Crypto
import Foundation
import NIOCore
import PeerTreeClient
import Testing

@testable import PeerTreeCore

/// The primitives that hosts have, on what the core makes. The signatures are those of another implementation.
@Suite("Signed blocks and the host's primitives", .timeLimit(.minutes(5)))
struct SignedBlockTests {
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Corpus/blocks")

    /// The first of RFC 8032, section 7.1.
    private let secretKey: [UInt8] = [
        0x9D, 0x61, 0xB1, 0x9D, 0xEF, 0xFD, 0x5A, 0x60, 0xBA, 0x84, 0x4A, 0xF4, 0x92, 0xEC, 0x2C, 0xC4,
        0x44, 0x49, 0xC5, 0x69, 0x7B, 0x32, 0x69, 0x19, 0x70, 0x3B, 0xAC, 0x03, 0x1C, 0xAE, 0x7F, 0x60,
    ]

    @Test(
        "The signature in a chunk is true of the root that the chunk leads to, and of no other block",
        arguments: ["chunk-alone", "chunk-0-of-3", "chunk-1-of-3", "chunk-2-of-3"]
    )
    func signatures(name: String) throws {
        let key = try Curve25519.Signing.PrivateKey(rawRepresentation: secretKey).publicKey
        let frame = ByteBuffer(bytes: try Data(contentsOf: Self.corpus.appendingPathComponent(name)))
        let (chunk, payloadOffset) = try SignedChunk.decode(frame)
        let root = try #require(chunk.root(over: frame.slice(from: payloadOffset, to: frame.count)))
        func isTrue(_ statement: SourceStatement) -> Bool {
            key.isValidSignature(chunk.signature.bytes, for: statement.signedBytes)
        }
        #expect(isTrue(.block(chunk.block, root: root)))
        var later = chunk.block
        later.number += 1
        #expect(!isTrue(.block(later, root: root)))
        #expect(!isTrue(.block(chunk.block, root: SHA256Hasher.hash([]))))
    }

    @Test("The core's SHA-256 is the host's", arguments: [0, 1, 63, 64, 65, 16_384])
    func hashes(length: Int) {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 31) }
        #expect(SHA256Hasher.hash(bytes).bytes == Array(SHA256.hash(data: bytes)))
    }
}
