import Crypto
import NIOCore
import TestSupport
import Testing

@testable import PeerTreeClient
@testable import PeerTreeCore

@Suite("Encrypted messages", .timeLimit(.minutes(5)))
struct EncryptionTests {
    private static let secret = BroadcastSecret(Array(0..<32))
    private static let streamID = SignedStreamID(high: 0xA0A1_A2A3_A4A5_A6A7, low: 0xA8A9_AAAB_ACAD_AEAF)

    /// Computed with the HKDF and AES-GCM of another library. `Protocol.md` has them too.
    @Test("Ciphertext and tag are, byte for byte, what the protocol article shows")
    func knownAnswers() throws {
        let secret = try #require(Self.secret)
        #expect(secret.text == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
        var cipher = MessageCipher(secret)
        let text = MessageOptions(isText: true, retainedKey: 7)
        let catalog = try cipher.seal(
            ByteBuffer(string: "hello"),
            MessageSeal(streamID: Self.streamID, sequence: 0, text)
        )
        #expect(hexadecimal(catalog) == "7f63a0403a1d6a6946a74d1df0aa3847f94b5828e8")
        let picture = MessageOptions(isJoinPoint: true)
        let nothing = try cipher.seal(
            ByteBuffer(),
            MessageSeal(streamID: Self.streamID, sequence: 0x01_0203_0405_0607, picture)
        )
        #expect(hexadecimal(nothing) == "6bd4fdb7e2d157c28518dea249f28899")
    }

    /// RFC 5869, appendix A.1, and test case 16 of the GCM specification that NIST SP 800-38D stands on.
    @Test("Key derivation and cipher give what their specifications publish")
    func publishedVectors() throws {
        let derived = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: Array(repeating: UInt8(0x0B), count: 22)),
            salt: Array(UInt8(0)...12),
            info: Array(UInt8(0xF0)...0xF9),
            outputByteCount: 42
        )
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        #expect(derived.withUnsafeBytes { hexadecimal(ByteBuffer(bytes: $0)) } == expected)
        let half = bytes("feffe9928665731c6d6a8f9467308308")
        let box = try AES.GCM.seal(
            bytes(
                "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                    + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
            ),
            using: SymmetricKey(data: half + half),
            nonce: AES.GCM.Nonce(data: bytes("cafebabefacedbaddecaf888")),
            authenticating: bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        )
        let ciphertext =
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        #expect(hexadecimal(ByteBuffer(bytes: box.ciphertext)) == ciphertext)
        #expect(hexadecimal(ByteBuffer(bytes: box.tag)) == "76fc6ece0f4e1768cddf8853bb2d551b")
    }

    private func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.utf8.map { UInt8($0 > 57 ? $0 - 87 : $0 - 48) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private func hexadecimal(_ buffer: ByteBuffer) -> String {
        buffer.readableBytesView.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    @Test("What was sealed is opened, and a changed byte, mark, number or secret is refused")
    func changes() throws {
        let secret = try #require(Self.secret)
        var cipher = MessageCipher(secret)
        let options = MessageOptions(isText: true, isJoinPoint: true, retainedKey: 3)
        let seal = MessageSeal(streamID: Self.streamID, sequence: 5, options)
        let sealed = try cipher.seal(ByteBuffer(string: "picture"), seal)
        #expect(sealed.readableBytes == "picture".utf8.count + MessageSeal.tagLength)
        #expect(cipher.open(sealed, seal) == ByteBuffer(string: "picture"))
        for index in 0..<sealed.readableBytes {
            var changed = sealed
            changed.setInteger(try #require(changed.getInteger(at: index, as: UInt8.self)) ^ 1, at: index)
            #expect(cipher.open(changed, seal) == nil, "byte \(index)")
        }
        for length in 0..<sealed.readableBytes {
            let short = try #require(sealed.getSlice(at: 0, length: length))
            #expect(cipher.open(short, seal) == nil, "\(length) bytes")
        }
        let marks = MessageOptions(isJoinPoint: true, retainedKey: 3)
        let others = [
            MessageSeal(streamID: Self.streamID, sequence: 6, options),
            MessageSeal(streamID: Self.streamID, sequence: 5, marks),
            MessageSeal(streamID: SignedStreamID(high: 1, low: 2), sequence: 5, options),
        ]
        for other in others { #expect(cipher.open(sealed, other) == nil) }
        var stranger = MessageCipher(BroadcastSecret())
        #expect(stranger.open(sealed, seal) == nil)
        #expect(cipher.open(sealed, seal) == ByteBuffer(string: "picture"))
    }

    @Test("A secret is read only from its own text, and does not show itself")
    func texts() throws {
        let secret = BroadcastSecret()
        #expect(secret.text.count == 43)
        #expect(BroadcastSecret(secret.text) == secret)
        #expect(BroadcastSecret() != secret)
        #expect(!"\(secret)".contains(secret.text) && !String(reflecting: secret).contains(secret.text))
        #expect(BroadcastSecret(Array(0..<31)) == nil)
        let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
        #expect(BroadcastSecret(text) != nil)
        let others = ["", String(text.dropLast()), text + "A", text + "=", text.dropLast() + "9"]
        for other in others { #expect(BroadcastSecret(other) == nil, "'\(other)'") }
    }
}
