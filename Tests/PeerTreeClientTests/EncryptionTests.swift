import Crypto
import NIOCore
import TestSupport
import Testing

@testable import PeerTreeClient
@testable import PeerTreeCore

@Suite("Encrypted messages", .timeLimit(.minutes(5)))
struct EncryptionTests {
    private static let secret = BroadcastSecret(Array(0..<32))
    private static let streamID = Array<UInt8>(0xA0..<0xB0)

    private func message(
        _ payload: ByteBuffer,
        _ options: MessageOptions = MessageOptions(),
        sequence: UInt64 = 0,
        isEncrypted: Bool = true
    ) -> PeerTreeMessage {
        PeerTreeMessage(
            parts: [payload],
            sequence: sequence,
            lastSequence: sequence,
            timestamp: 1,
            isText: options.isText,
            isJoinPoint: options.isJoinPoint,
            retainedKey: options.retainedKey,
            isEncrypted: isEncrypted
        )
    }

    private func opened(_ outcome: MessageOpener.Outcome) -> String? {
        guard case .message(let message) = outcome else { return nil }
        return message.text
    }

    private func reason(_ outcome: MessageOpener.Outcome) -> UnreadableReason? {
        guard case .unreadable(let reason) = outcome else { return nil }
        return reason
    }

    /// Computed with the HKDF and AES-GCM of another library. `Protocol.md` has them too.
    @Test("A sealed message is, byte for byte, what the protocol article shows")
    func knownAnswers() throws {
        let secret = try #require(Self.secret)
        #expect(secret.text == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
        let cipher = MessageCipher(secret, streamID: Self.streamID)
        let catalog = try cipher.seal(
            ByteBuffer(string: "hello"),
            MessageOptions(isText: true, retainedKey: 7),
            sequence: 0
        )
        #expect(hexadecimal(catalog) == "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf7f63a0403a1d6a6946a74d1df0aa3847f94b5828e8")
        let nothing = try cipher.seal(ByteBuffer(), MessageOptions(isJoinPoint: true), sequence: 0x01_0203_0405_0607)
        #expect(hexadecimal(nothing) == "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf6bd4fdb7e2d157c28518dea249f28899")
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

    @Test("What was sealed is opened, and a changed byte, mark or number is refused")
    func changes() throws {
        let secret = try #require(Self.secret)
        var sealer = MessageSealer(secret)
        var options = MessageOptions(isText: true, isJoinPoint: true, retainedKey: 3)
        let sealed = try sealer.seal(ByteBuffer(string: "picture"), &options, sequence: 5)
        #expect(options.isEncrypted && sealed.readableBytes == "picture".utf8.count + MessageCipher.overhead)
        var opener = MessageOpener(secret)
        #expect(opened(opener.open(message(sealed, options, sequence: 5))) == "picture")
        for index in 0..<sealed.readableBytes {
            var changed = sealed
            changed.setInteger(try #require(changed.getInteger(at: index, as: UInt8.self)) ^ 1, at: index)
            #expect(reason(opener.open(message(changed, options, sequence: 5))) == .changed, "byte \(index)")
        }
        for length in 0..<sealed.readableBytes {
            let short = try #require(sealed.getSlice(at: 0, length: length))
            #expect(reason(opener.open(message(short, options, sequence: 5))) == .changed, "\(length) bytes")
        }
        let marks = [
            MessageOptions(isJoinPoint: true, retainedKey: 3), MessageOptions(isText: true, retainedKey: 3),
            MessageOptions(isText: true, isJoinPoint: true),
            MessageOptions(isText: true, isJoinPoint: true, retainedKey: 4),
        ]
        for others in marks { #expect(reason(opener.open(message(sealed, others, sequence: 5))) == .changed) }
        #expect(reason(opener.open(message(sealed, options, sequence: 6))) == .changed)
        #expect(opened(opener.open(message(sealed, options, sequence: 5))) == "picture")
    }

    @Test("A viewer is told whether its key is missing, another one, or of a broadcast that is not encrypted")
    func reasons() throws {
        let secret = try #require(Self.secret)
        var sealer = MessageSealer(secret)
        var options = MessageOptions()
        let sealed = message(try sealer.seal(ByteBuffer(string: "x"), &options, sequence: 0))
        let plain = message(ByteBuffer(string: "x"), isEncrypted: false)
        var (keyless, stranger, viewer) = (MessageOpener(nil), MessageOpener(BroadcastSecret()), MessageOpener(secret))
        #expect(reason(keyless.open(sealed)) == .secretMissing)
        #expect(opened(keyless.open(plain)) == "x")
        #expect(reason(stranger.open(sealed)) == .wrongSecret)
        #expect(reason(viewer.open(plain)) == .notEncrypted)
        #expect(opened(viewer.open(sealed)) == "x")
    }

    @Test("Where numbers begin again, so does the stream, and nobody goes back to the one before")
    func streams() throws {
        let secret = try #require(Self.secret)
        var sealer = MessageSealer(secret)
        var options = MessageOptions()
        let first = try sealer.seal(ByteBuffer(string: "one"), &options, sequence: 0)
        let next = try sealer.seal(ByteBuffer(string: "two"), &options, sequence: 1)
        let again = try sealer.seal(ByteBuffer(string: "three"), &options, sequence: 1)
        #expect(MessageCipher.streamID(of: first) == MessageCipher.streamID(of: next))
        #expect(MessageCipher.streamID(of: next) != MessageCipher.streamID(of: again))
        var opener = MessageOpener(secret)
        #expect(opened(opener.open(message(next, sequence: 1))) == "two")
        #expect(opened(opener.open(message(again, sequence: 1))) == "three")
        #expect(reason(opener.open(message(next, sequence: 1))) == .changed)
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
