import PeerTreeCore

/// A frame buffer over an array.
struct ArrayBuffer: FrameBuffer {
    var bytes: ArraySlice<UInt8>

    init(bytes: [UInt8]) { self.bytes = bytes[...] }
    init(header: [UInt8], payload: ArrayBuffer) { self.bytes = (header + payload.bytes)[...] }

    var count: Int { self.bytes.count }

    func withPrefix<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        self.bytes.prefix(count).withUnsafeBytes(body)
    }

    func slice(from start: Int, to end: Int) -> ArrayBuffer {
        var part = self
        part.bytes = self.bytes[self.bytes.startIndex + start..<self.bytes.startIndex + end]
        return part
    }
}
