/// Writes one packet into memory of the caller's.
struct PacketWriter {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0
    private var openChunk: Int?

    /// - Parameter memory: room for the largest packet there may be.
    init(_ memory: UnsafeMutableRawBufferPointer) {
        self.memory = memory
    }

    /// Bytes that still fit.
    var room: Int { self.memory.count - self.count }
    /// Whether nothing but the common header has been written.
    var isEmpty: Bool { self.count <= CommonHeader.length }

    mutating func write(_ header: CommonHeader) {
        self.write(header.sourcePort)
        self.write(header.destinationPort)
        self.write(header.verificationTag)
        self.write(UInt32(0))
    }

    /// Writes the header of a chunk, whose length `endChunk` fills in. The caller has looked at `room` for all of it.
    mutating func beginChunk(_ type: UInt8, flags: UInt8 = 0) {
        self.openChunk = self.count
        self.write(type)
        self.write(flags)
        self.write(UInt16(0))
    }

    /// Fills in the length, and pads to a multiple of four bytes.
    mutating func endChunk() {
        guard let start = self.openChunk else { return }
        self.openChunk = nil
        self.endLength(of: start)
    }

    /// The same for a parameter that began at `start`.
    mutating func endLength(of start: Int) {
        self.patch(UInt16(truncatingIfNeeded: self.count - start), at: start + 2)
        while self.count & 3 != 0 { self.write(UInt8(0)) }
    }

    @inline(__always)
    mutating func write<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        let size = MemoryLayout<Number>.size
        guard size <= self.room else { return }
        self.memory.storeBytes(of: number.bigEndian, toByteOffset: self.count, as: Number.self)
        self.count += size
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= self.room, let source = bytes.baseAddress, let target = self.memory.baseAddress else {
            return
        }
        (target + self.count).copyMemory(from: source, byteCount: bytes.count)
        self.count += bytes.count
    }

    mutating func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { self.write($0) }
    }

    mutating func patch<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
        guard offset + MemoryLayout<Number>.size <= self.count else { return }
        self.memory.storeBytes(of: number.bigEndian, toByteOffset: offset, as: Number.self)
    }

    /// Sets flags of a chunk that began at `start`.
    mutating func setFlags(_ flags: UInt8, ofChunkAt start: Int) {
        guard start + 1 < self.count else { return }
        self.memory[start + 1] |= flags
    }

    /// Writes the checksum into the common header.
    func seal(_ checksum: (UnsafeRawBufferPointer) -> UInt32) {
        guard self.count >= CommonHeader.length else { return }
        let crc = checksum(UnsafeRawBufferPointer(rebasing: self.memory[..<self.count]))
        self.memory.storeBytes(of: crc.littleEndian, toByteOffset: 8, as: UInt32.self)
    }
}
