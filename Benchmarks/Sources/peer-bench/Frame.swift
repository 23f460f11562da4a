import PeerTreeCore

/// A frame as bytes in memory: nothing but the core costs anything.
struct Frame: FrameBuffer {
    private let bytes: ArraySlice<UInt8>

    init(bytes: [UInt8]) {
        self.bytes = bytes[...]
    }

    init(header: [UInt8], payload: Frame) {
        bytes = (header + payload.bytes)[...]
    }

    private init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
    }

    var count: Int { bytes.count }

    func withPrefix<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.prefix(count).withUnsafeBytes(body)
    }

    func slice(from start: Int, to end: Int) -> Frame {
        Frame(bytes[bytes.startIndex + start..<bytes.startIndex + end])
    }
}
