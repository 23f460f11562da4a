import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("SHA-256", .timeLimit(.minutes(5)))
struct SHA256Tests {
    private func hash(_ bytes: [UInt8]) -> String {
        hexadecimal(SHA256Hasher.hash(bytes).bytes)
    }

    @Test(
        "The examples of FIPS 180-4 and messages of NIST's validation programme have the published hashes",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("616263", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "6162636462636465636465666465666765666768666768696768696a68696a6b696a6b6c6a6b6c6d6b6c6d6e6c6d6e6f"
                    + "6d6e6f706e6f7071",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            ("d3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"),
            ("11af", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"),
            ("74ba2521", "b16aa56be3880d18cd41e68384cf1ec8c17680c45a02b1575dc1518923ae8b0e"),
        ]
    )
    func published(message: String, expected: String) {
        #expect(hash(unhexed(message)) == expected)
    }

    @Test("A million times the letter a has the hash of FIPS 180-4, in pieces of any length")
    func million() {
        var random = SeededGenerator(seed: 14)
        var hasher = SHA256Hasher()
        var left = 1_000_000
        while left > 0 {
            let piece = min(left, Int.random(in: 1...9000, using: &random))
            hasher.update([UInt8](repeating: 0x61, count: piece))
            left -= piece
        }
        let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        #expect(hexadecimal(hasher.finish().bytes) == expected, "seed 14")
    }

    /// SHAVS, section 6.4: the first of the published checkpoints.
    @Test("NIST's Monte Carlo test comes to its first checkpoint")
    func monteCarlo() {
        let seed = unhexed("6d1e72ad03ddeb5de891e572e2396f8da015d899ef0e79503152d6010a3fe691")
        var last = [seed, seed, seed]
        for _ in 0..<1000 { last = [last[1], last[2], SHA256Hasher.hash(last[0] + last[1] + last[2]).bytes] }
        #expect(hexadecimal(last[2]) == "e93c330ae5447738c8aa85d71a6c80f2a58381d05872d26bdd39f1fcd4f2b788")
    }

    /// Computed with another implementation: wherever the padding may fall, one hash over the hashes of all lengths.
    @Test("Messages of 0 to 300 bytes have the hashes that another implementation computes")
    func everyLength() {
        var all = SHA256Hasher()
        for length in 0...300 {
            all.update(SHA256Hasher.hash((0..<length).map { UInt8(truncatingIfNeeded: $0 * 7 + length) }).bytes)
        }
        #expect(hexadecimal(all.finish().bytes) == "60d63ff40b5558727a9b786ac0be9300f7ca58fd9ddd3b2f3681b369018a87dc")
    }

    @Test("How a message is cut makes no difference", arguments: [1, 2, 3] as [UInt64])
    func pieces(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let message = random.bytes(Int.random(in: 0...400, using: &random))
            var hasher = SHA256Hasher()
            var offset = 0
            while offset < message.count {
                let end = min(message.count, offset + Int.random(in: 0...130, using: &random))
                hasher.update(Array(message[offset..<end]))
                offset = end
            }
            #expect(hasher.finish() == SHA256Hasher.hash(message), "seed \(seed), \(message.count) bytes")
        }
    }
}
