#if canImport(PeerTreeCore)
import PeerTreeCore
#endif

// Frames stay on the JavaScript side, in the buffers in which the browser delivered them: what arrived is what is sent
// on, without a copy. Here they are numbers.

@_extern(wasm, module: "env", name: "frame_make")
@_extern(c)
private func makeFrame(_ bytes: UnsafeRawPointer?, _ count: Int) -> UInt32

@_extern(wasm, module: "env", name: "frame_join")
@_extern(c)
private func joinFrame(
    _ header: UnsafeRawPointer?,
    _ headerCount: Int,
    _ payload: UInt32,
    _ offset: Int,
    _ count: Int
) -> UInt32

@_extern(wasm, module: "env", name: "frame_read")
@_extern(c)
private func readFrame(_ frame: UInt32, _ offset: Int, _ count: Int, _ to: UnsafeMutableRawPointer)

@_extern(wasm, module: "env", name: "frame_release")
@_extern(c)
private func releaseFrame(_ frame: UInt32)

/// Keeps a frame of the JavaScript side until nobody here refers to it any more.
final class FrameReference {
    let number: UInt32

    /// Takes over a frame's number.
    init(_ number: UInt32) {
        self.number = number
    }

    deinit {
        releaseFrame(number)
    }
}

/// A run of bytes of a frame.
struct HandleBuffer: FrameBuffer {
    let frame: FrameReference
    let offset: Int
    let count: Int

    /// All bytes of a frame, whose number is taken over.
    init(frame number: UInt32, count: Int) {
        frame = FrameReference(number)
        offset = 0
        self.count = count
    }

    private init(frame: FrameReference, offset: Int, count: Int) {
        self.frame = frame
        self.offset = offset
        self.count = count
    }

    init(bytes: [UInt8]) {
        let number = bytes.withUnsafeBytes { makeFrame($0.baseAddress, $0.count) }
        self.init(frame: number, count: bytes.count)
    }

    init(header: [UInt8], payload: HandleBuffer) {
        let number = header.withUnsafeBytes {
            joinFrame($0.baseAddress, $0.count, payload.frame.number, payload.offset, payload.count)
        }
        self.init(frame: number, count: header.count + payload.count)
    }

    func withPrefix<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let length = min(max(count, 0), self.count)
        return withUnsafeTemporaryAllocation(byteCount: max(length, 1), alignment: 8) { space in
            if length > 0, let base = space.baseAddress { readFrame(frame.number, offset, length, base) }
            return body(UnsafeRawBufferPointer(rebasing: space.prefix(length)))
        }
    }

    /// The bytes as a text of the core's own.
    var text: Text {
        withPrefix(count) { Text(Array($0)) }
    }

    func slice(from start: Int, to end: Int) -> HandleBuffer {
        HandleBuffer(frame: frame, offset: offset + start, count: end - start)
    }
}
