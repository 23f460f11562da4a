import Crypto
import NIOCore
import PeerTreeCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Seals and opens the messages of one stream: AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA256 (RFC 5869)
/// makes of the broadcast's secret, salted with the stream's id.
///
/// A sealed message is the stream's id, the ciphertext and the tag. The nonce is the number of the message's first chunk,
/// which no stream uses twice; id, number and marks are authenticated with the payload. `Protocol.md` shows it byte by
/// byte. `Web/src/message-cipher.js` is the counterpart of browsers.
struct MessageCipher {
    static let streamIDLength = 16
    private static let tagLength = 16
    private static let purpose = Array("peer-tree message 1".utf8)
    /// How many bytes a sealed message is longer than the message.
    static let overhead = streamIDLength + tagLength

    let streamID: [UInt8]
    private let key: SymmetricKey

    init(_ secret: BroadcastSecret, streamID: [UInt8]) {
        self.streamID = streamID
        key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: secret.key,
            salt: streamID,
            info: Self.purpose,
            outputByteCount: SymmetricKeySize.bits256.bitCount / 8
        )
    }

    /// A payload as it travels. `options.isEncrypted` is of no matter here.
    func seal(_ payload: ByteBuffer, _ options: MessageOptions, sequence: UInt64) throws -> ByteBuffer {
        let box = try payload.withUnsafeReadableBytes {
            try AES.GCM.seal(
                $0,
                using: key,
                nonce: Self.nonce(sequence),
                authenticating: authenticated(options, sequence)
            )
        }
        var sealed = ByteBufferAllocator().buffer(capacity: payload.readableBytes + Self.overhead)
        sealed.writeBytes(streamID)
        sealed.writeBytes(box.ciphertext)
        sealed.writeBytes(box.tag)
        return sealed
    }

    /// What was sealed with these marks under this number.
    ///
    /// - Throws: if the secret is another, or anything was changed.
    func open(_ sealed: ByteBuffer, _ options: MessageOptions, sequence: UInt64) throws -> ByteBuffer {
        guard sealed.readableBytes >= Self.overhead else { throw CryptoKitError.incorrectParameterSize }
        let plain = try sealed.withUnsafeReadableBytes { bytes in
            let box = try AES.GCM.SealedBox(
                nonce: Self.nonce(sequence),
                ciphertext: UnsafeRawBufferPointer(
                    rebasing: bytes[Self.streamIDLength..<(bytes.count - Self.tagLength)]
                ),
                tag: UnsafeRawBufferPointer(rebasing: bytes[(bytes.count - Self.tagLength)...])
            )
            return try AES.GCM.open(box, using: key, authenticating: authenticated(options, sequence))
        }
        return ByteBuffer(bytes: plain)
    }

    /// The id of the stream that a sealed message says it is of.
    static func streamID(of sealed: ByteBuffer) -> [UInt8]? {
        sealed.getBytes(at: sealed.readerIndex, length: streamIDLength)
    }

    private static func nonce(_ sequence: UInt64) throws -> AES.GCM.Nonce {
        try AES.GCM.Nonce(data: [0, 0, 0, 0] + sequence.bigEndianBytes)
    }

    /// What is not secret, and may not be changed either.
    private func authenticated(_ options: MessageOptions, _ sequence: UInt64) -> [UInt8] {
        var marks: UInt8 = 0
        if options.isText { marks |= 1 }
        if options.isJoinPoint { marks |= 2 }
        if options.retainedKey != nil { marks |= 4 }
        let retainedKey = options.retainedKey ?? 0
        return streamID + sequence.bigEndianBytes
            + [marks, UInt8(truncatingIfNeeded: retainedKey >> 8), UInt8(truncatingIfNeeded: retainedKey)]
    }
}

extension UInt64 {
    fileprivate var bigEndianBytes: [UInt8] {
        stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: self >> UInt64($0)) }
    }
}
