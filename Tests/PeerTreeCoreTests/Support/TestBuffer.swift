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

/// A small, fast, seedable generator (SplitMix64), so that a failure can be repeated from its seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
