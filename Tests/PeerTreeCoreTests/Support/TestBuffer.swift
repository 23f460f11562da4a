import PeerTreeCore

/// A frame buffer over an array, as simple as can be.
struct TestBuffer: FrameBuffer, Equatable {
    var bytes: ArraySlice<UInt8>

    init(bytes: [UInt8]) {
        self.bytes = bytes[...]
    }

    init(header: [UInt8], payload: TestBuffer) {
        bytes = (header + payload.bytes)[...]
    }

    var count: Int { bytes.count }

    func withPrefix<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.prefix(count).withUnsafeBytes(body)
    }

    func slice(from start: Int, to end: Int) -> TestBuffer {
        var part = self
        part.bytes = bytes[bytes.startIndex + start..<bytes.startIndex + end]
        return part
    }
}
