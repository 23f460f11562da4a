import COpenSSL
public import NIOCore
public import PeerTreeCore

extension ByteBuffer: FrameBuffer {
    /// The number of readable bytes.
    public var count: Int {
        readableBytes
    }

    /// Makes a frame of a header and a payload: the only copy of payload bytes, made at the source.
    public init(header: [UInt8], payload: ByteBuffer) {
        self = ByteBufferAllocator().buffer(capacity: header.count + payload.readableBytes)
        writeBytes(header)
        writeImmutableBuffer(payload)
    }

    /// Calls `body` with the first `count` readable bytes.
    public func withPrefix<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeReadableBytes { body(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
    }

    /// A part of the readable bytes; storage is shared.
    public func slice(from start: Int, to end: Int) -> ByteBuffer {
        getSlice(at: readerIndex + start, length: end - start) ?? ByteBuffer()
    }

    /// By OpenSSL, which uses what the processor has for it: several times as fast as swift-crypto, and that as the core.
    public func hash(after prefix: [UInt8]) -> Hash256 {
        withUnsafeReadableBytes { Self.hash(prefix, $0) }
    }

    /// By OpenSSL, too.
    public static func hash(_ bytes: [UInt8]) -> Hash256 {
        hash(bytes, UnsafeRawBufferPointer(start: nil, count: 0))
    }

    private static func hash(_ prefix: [UInt8], _ rest: UnsafeRawBufferPointer) -> Hash256 {
        withUnsafeTemporaryAllocation(byteCount: Hash256.length, alignment: 1) { hash in
            let isDone = pt_sha256(algorithm, prefix, prefix.count, rest.baseAddress, rest.count, hash.baseAddress) == 1
            return (isDone ? Hash256(UnsafeRawBufferPointer(hash)) : nil) ?? Hash256()
        }
    }

    /// To look it up by name takes longer than to hash a short text. It is never changed nor freed, so it can be shared.
    nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)
}

extension [ByteBuffer] {
    /// All in one piece; copies only if there are several.
    var joined: ByteBuffer {
        guard count != 1 else { return self[0] }
        var whole = ByteBufferAllocator().buffer(capacity: reduce(0) { $0 + $1.count })
        for part in self { whole.writeImmutableBuffer(part) }
        return whole
    }
}

extension Message where Buffer == ByteBuffer {
    /// The payload in one piece; copies only if the message came in several chunks.
    public var payload: ByteBuffer { parts.joined }

    /// The payload as text, invalid UTF-8 repaired.
    public var text: String {
        String(buffer: payload)
    }
}

// Safe, since a message is a struct of an array of buffers, which are Sendable here, and of numbers and marks; nothing in it
// is shared and mutable. The core cannot say so itself, because in Embedded Swift its buffers may be handles that are not.
extension Message: @unchecked Sendable where Buffer: Sendable {}
