import Crypto
import NIOCore
import PeerTreeCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Computes what the core asks for with a ``MessageSeal``. `Web/src/message-cipher.js` is the counterpart of browsers.
struct MessageCipher {
    private let secret: BroadcastSecret
    /// That of the stream which was asked for last.
    private var known: (streamID: [UInt8], key: SymmetricKey)?

    init(_ secret: BroadcastSecret) {
        self.secret = secret
    }

    /// The ciphertext of a payload, and the tag.
    mutating func seal(_ payload: ByteBuffer, _ seal: MessageSeal) throws -> ByteBuffer {
        let key = key(of: seal.streamID)
        let box = try payload.withUnsafeReadableBytes {
            try AES.GCM.seal($0, using: key, nonce: .init(data: seal.nonce), authenticating: seal.authenticated)
        }
        var sealed = ByteBufferAllocator().buffer(capacity: payload.readableBytes + MessageSeal.tagLength)
        sealed.writeBytes(box.ciphertext)
        sealed.writeBytes(box.tag)
        return sealed
    }

    /// The payload of a ciphertext and its tag; nil if the secret is another, or anything was changed.
    mutating func open(_ sealed: ByteBuffer, _ seal: MessageSeal) -> ByteBuffer? {
        guard sealed.readableBytes >= MessageSeal.tagLength else { return nil }
        let key = key(of: seal.streamID)
        let payload = try? sealed.withUnsafeReadableBytes { bytes in
            let box = try AES.GCM.SealedBox(
                nonce: .init(data: seal.nonce),
                ciphertext: UnsafeRawBufferPointer(rebasing: bytes.dropLast(MessageSeal.tagLength)),
                tag: UnsafeRawBufferPointer(rebasing: bytes.suffix(MessageSeal.tagLength))
            )
            return try AES.GCM.open(box, using: key, authenticating: seal.authenticated)
        }
        return payload.map { ByteBuffer(bytes: $0) }
    }

    private mutating func key(of streamID: [UInt8]) -> SymmetricKey {
        if let known, known.streamID == streamID { return known.key }
        let key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: secret.key,
            salt: streamID,
            info: MessageSeal.purpose.withUTF8Buffer { Array($0) },
            outputByteCount: SymmetricKeySize.bits256.bitCount / 8
        )
        known = (streamID, key)
        return key
    }
}
