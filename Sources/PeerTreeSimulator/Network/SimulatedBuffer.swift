import PeerTreeCore

/// A frame buffer over an array, as simple as can be.
package struct SimulatedBuffer: FrameBuffer, Equatable, Sendable {
    /// The bytes; slices share storage.
    package var bytes: ArraySlice<UInt8>

    package init(bytes: [UInt8]) {
        self.bytes = bytes[...]
    }

    package init(header: [UInt8], payload: SimulatedBuffer) {
        bytes = (header + payload.bytes)[...]
    }

    package var count: Int { bytes.count }

    package func withPrefix<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.prefix(count).withUnsafeBytes(body)
    }

    package func slice(from start: Int, to end: Int) -> SimulatedBuffer {
        var part = self
        part.bytes = bytes[bytes.startIndex + start..<bytes.startIndex + end]
        return part
    }

    /// Whether both are views of the same memory, and so equal without a look at it.
    func isSameStorage(as other: SimulatedBuffer) -> Bool {
        bytes.withUnsafeBytes { own in
            other.bytes.withUnsafeBytes { own.baseAddress == $0.baseAddress && own.count == $0.count }
        }
    }
}
