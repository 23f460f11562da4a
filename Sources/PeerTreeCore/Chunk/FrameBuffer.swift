/// A contiguous run of bytes that the driver owns: one data channel message, or a part of one.
///
/// The core works on headers and on these handles; it never copies a payload. A driver makes its own buffer type
/// conform (a `ByteBuffer` on SwiftNIO, a handle to an `ArrayBuffer` in a browser). Values must have value semantics:
/// the bytes of a buffer handed to the core do not change.
public protocol FrameBuffer {
    /// Makes a buffer with a copy of `bytes`: a control frame.
    init(bytes: [UInt8])

    /// Makes a buffer of `header` followed by `payload`: a chunk at the source, the one place where payload bytes are
    /// copied.
    init(header: [UInt8], payload: Self)

    /// The number of bytes.
    var count: Int { get }

    /// Calls `body` with the first `count` bytes, or with all of them if there are fewer.
    func withPrefix<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result

    /// The bytes from offset `start` up to `end`, sharing storage. `0 <= start <= end <= count` holds.
    func slice(from start: Int, to end: Int) -> Self

    /// The SHA-256 of `prefix` and the bytes behind it. A host that has a faster one than the core says so.
    func hash(after prefix: [UInt8]) -> Hash256

    /// The SHA-256 of a few bytes that are in no buffer, likewise.
    static func hash(_ bytes: [UInt8]) -> Hash256
}

extension FrameBuffer {
    /// By the core's own SHA-256.
    public func hash(after prefix: [UInt8]) -> Hash256 {
        var hasher = SHA256Hasher()
        hasher.update(prefix)
        return withPrefix(count) { bytes in
            hasher.update(bytes)
            return hasher.finish()
        }
    }

    /// By the core's own SHA-256.
    public static func hash(_ bytes: [UInt8]) -> Hash256 { SHA256Hasher.hash(bytes) }
}
