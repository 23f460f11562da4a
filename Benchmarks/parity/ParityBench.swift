// Compiled together with the core by Benchmarks/parity/run, for WebAssembly and natively.

/// A frame as bytes in memory.
private struct MemoryFrame: FrameBuffer {
    private let bytes: ArraySlice<UInt8>

    init(bytes: [UInt8]) {
        self.bytes = bytes[...]
    }

    init(header: [UInt8], payload: MemoryFrame) {
        bytes = (header + payload.bytes)[...]
    }

    private init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
    }

    var count: Int { bytes.count }

    func withPrefix<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.prefix(count).withUnsafeBytes(body)
    }

    func slice(from start: Int, to end: Int) -> MemoryFrame {
        MemoryFrame(bytes[bytes.startIndex + start..<bytes.startIndex + end])
    }
}

/// Combines chunks of `size` bytes, so many; returns a byte of the parity.
#if arch(wasm32)
@_expose(wasm, "combine_chunks")
@_cdecl("combine_chunks")
#endif
public func combineChunks(_ size: Int32, _ times: Int32) -> Int32 {
    let chunk = MemoryFrame(bytes: Array(repeating: 0x5A, count: Int(size)))
    var parity = Parity()
    for _ in 0..<times { parity.add(parity: chunk) }
    return Int32(parity.bytes.first ?? 0)
}

#if !arch(wasm32)
@main
struct ParityBench {
    /// `parity-bench SIZE TIMES`: prints the rate in GB/s.
    static func main() {
        let numbers = CommandLine.arguments.dropFirst().compactMap { Int32($0) }
        guard numbers.count == 2 else { return print("parity-bench SIZE TIMES") }
        let begin = ContinuousClock.now
        guard combineChunks(numbers[0], numbers[1]) == 0 else { return print("an odd number of chunks") }
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        print(Double(numbers[0]) * Double(numbers[1]) / seconds / 1e9)
    }
}
#endif
