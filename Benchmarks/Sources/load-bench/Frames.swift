#if os(Linux)
import Glibc

/// WebSocket frames (RFC 6455, section 5.2) as this generator needs them: whole text messages, masked with the key zero,
/// which leaves the payload as it is.
enum Frames {
    static func appendText(_ text: some Collection<UInt8>, to bytes: inout [UInt8]) {
        append(opcode: 1, text, to: &bytes)
    }

    static func appendClose(to bytes: inout [UInt8]) { append(opcode: 8, [], to: &bytes) }

    static func appendPong(_ payload: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        append(opcode: 10, payload, to: &bytes)
    }

    private static func append(opcode: UInt8, _ payload: some Collection<UInt8>, to bytes: inout [UInt8]) {
        let length = payload.count
        bytes.append(0x80 | opcode)
        if length < 126 {
            bytes.append(0x80 | UInt8(length))
        } else if length < 65_536 {
            bytes.append(contentsOf: [0x80 | 126, UInt8(length >> 8), UInt8(length & 255)])
        } else {
            bytes.append(0x80 | 127)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(length >> shift & 255)) }
        }
        bytes.append(contentsOf: [0, 0, 0, 0])
        bytes.append(contentsOf: payload)
    }

    /// One frame of the server.
    struct Received {
        var opcode: UInt8
        var payload: UnsafeRawBufferPointer
        /// Where the next frame begins.
        var end: Int
    }

    /// The frame at `start`, or nil if it is not complete yet.
    static func next(in bytes: UnsafeRawBufferPointer, at start: Int) -> Received? {
        guard bytes.count >= start + 2 else { return nil }
        var length = Int(bytes[start + 1] & 127)
        var header = 2
        let extra = length == 126 ? 2 : length == 127 ? 8 : 0
        guard bytes.count >= start + header + extra else { return nil }
        if extra > 0 {
            length = 0
            for index in 0..<extra { length = length << 8 | Int(bytes[start + header + index]) }
            header += extra
        }
        let end = start + header + length
        guard bytes.count >= end else { return nil }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[(start + header)..<end])
        return Received(opcode: bytes[start] & 15, payload: payload, end: end)
    }
}

/// The little JSON that the generator reads: the text behind a key, in the order in which servers write it.
extension UnsafeRawBufferPointer {
    func starts(with prefix: StaticString) -> Bool {
        guard let base = baseAddress, count >= prefix.utf8CodeUnitCount else { return false }
        return memcmp(base, prefix.utf8Start, prefix.utf8CodeUnitCount) == 0
    }

    /// Where `text` ends, the first time it occurs.
    func end(of text: StaticString) -> Int? {
        guard let base = baseAddress else { return nil }
        let length = text.utf8CodeUnitCount
        var start = 0
        while start + length <= count,
            let found = memchr(base + start, Int32(text.utf8Start[0]), count - start - length + 1)
        {
            let position = UnsafeRawPointer(found) - base
            if memcmp(base + position, text.utf8Start, length) == 0 { return position + length }
            start = position + 1
        }
        return nil
    }

    func contains(_ text: StaticString) -> Bool { end(of: text) != nil }

    /// The string that begins right behind `key`, which includes its opening quote.
    func string(after key: StaticString) -> String? {
        guard let start = end(of: key) else { return nil }
        let rest = self[start...]
        guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
        return String(decoding: rest[..<end], as: UTF8.self)
    }

    func integer(after key: StaticString) -> Int? {
        guard let start = end(of: key) else { return nil }
        var value: Int?
        for byte in self[start...] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { break }
            value = (value ?? 0) &* 10 &+ Int(byte & 15)
        }
        return value
    }
}
#endif
