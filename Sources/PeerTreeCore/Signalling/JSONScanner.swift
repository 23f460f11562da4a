/// Steps over JSON byte by byte. It reads nothing beyond the end and recurses no deeper than it is told, whatever the
/// bytes are.
struct JSONScanner {
    private let bytes: [UInt8]
    private(set) var position: Int

    init(_ bytes: [UInt8], at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var isAtEnd: Bool { position >= bytes.count }

    static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func skip(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    /// Steps over a value.
    ///
    /// - Returns: whether there was one.
    @inline(never)  // Once in the module for browsers, rather than wherever a member is looked for.
    mutating func skipValue(depth: Int) -> Bool {
        switch next {
        case UInt8(ascii: "{"): return depth > 0 && skipObject(depth: depth - 1)
        case UInt8(ascii: "["): return depth > 0 && skipArray(depth: depth - 1)
        case UInt8(ascii: "\""): return skipString()
        case UInt8(ascii: "t"): return skip("true")
        case UInt8(ascii: "f"): return skip("false")
        case UInt8(ascii: "n"): return skip("null")
        default: return skipNumber()
        }
    }

    private mutating func skip(_ literal: StaticString) -> Bool {
        let isThere = literal.withUTF8Buffer { bytes[position...].starts(with: $0) }
        if isThere { position += literal.utf8CodeUnitCount }
        return isThere
    }

    private mutating func skipObject(depth: Int) -> Bool {
        position += 1
        skipBlanks()
        if skip(UInt8(ascii: "}")) { return true }
        while true {
            skipBlanks()
            guard skipString() else { return false }
            skipBlanks()
            guard skip(UInt8(ascii: ":")) else { return false }
            skipBlanks()
            guard skipValue(depth: depth) else { return false }
            skipBlanks()
            if skip(UInt8(ascii: "}")) { return true }
            guard skip(UInt8(ascii: ",")) else { return false }
        }
    }

    private mutating func skipArray(depth: Int) -> Bool {
        position += 1
        skipBlanks()
        if skip(UInt8(ascii: "]")) { return true }
        while true {
            skipBlanks()
            guard skipValue(depth: depth) else { return false }
            skipBlanks()
            if skip(UInt8(ascii: "]")) { return true }
            guard skip(UInt8(ascii: ",")) else { return false }
        }
    }

    @inline(never)
    private mutating func skipString() -> Bool {
        guard skip(UInt8(ascii: "\"")) else { return false }
        while let byte = next {
            position += 1
            if byte == UInt8(ascii: "\"") { return true }
            guard byte >= 0x20 else { return false }
            if byte == UInt8(ascii: "\\") { position += 1 }
        }
        return false
    }

    private mutating func skipDigits() -> Bool {
        let start = position
        while let byte = next, Self.isDigit(byte) { position += 1 }
        return position > start
    }

    private mutating func skipNumber() -> Bool {
        _ = skip(UInt8(ascii: "-"))
        guard skipDigits() else { return false }
        if skip(UInt8(ascii: ".")) {
            guard skipDigits() else { return false }
        }
        guard next == UInt8(ascii: "e") || next == UInt8(ascii: "E") else { return true }
        position += 1
        if !skip(UInt8(ascii: "-")) { _ = skip(UInt8(ascii: "+")) }
        return skipDigits()
    }

    // MARK: Through an object or array whose form is known to be right

    private mutating func skipSeparators() {
        skipBlanks()
        if skip(UInt8(ascii: ",")) { skipBlanks() }
    }

    /// The next name of an object; nil at its end.
    mutating func nextString(before end: UInt8) -> Range<Int>? {
        skipSeparators()
        let start = position
        guard next != end, skipString() else { return nil }
        return start..<position
    }

    /// The value behind a name.
    mutating func nextMemberValue() -> Range<Int>? {
        skipBlanks()
        guard skip(UInt8(ascii: ":")) else { return nil }
        skipBlanks()
        let start = position
        return skipValue(depth: JSONReader.maximumDepth) ? start..<position : nil
    }

    /// The next element of an array; nil at its end.
    mutating func nextElement() -> Range<Int>? {
        skipSeparators()
        let start = position
        guard next != UInt8(ascii: "]"), skipValue(depth: JSONReader.maximumDepth) else { return nil }
        return start..<position
    }
}

/// The escapes of JSON strings.
enum JSONEscapes {
    /// The text behind escapes, as UTF-8; nil if one is not an escape of JSON's. Half a surrogate pair becomes U+FFFD.
    static func resolve(_ content: ArraySlice<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(content.count)
        var rest = content
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                result.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "\""): result.append(UInt8(ascii: "\""))
            case UInt8(ascii: "\\"): result.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "/"): result.append(UInt8(ascii: "/"))
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"):
                guard let unit = hexadecimal(&rest) else { return nil }
                append(scalar(unit, &rest), to: &result)
            default: return nil
            }
        }
        return result
    }

    private static func hexadecimal(_ rest: inout ArraySlice<UInt8>) -> UInt32? {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = rest.popFirst() else { return nil }
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return value
    }

    private static func scalar(_ unit: UInt32, _ rest: inout ArraySlice<UInt8>) -> UInt32 {
        guard unit & 0xF800 == 0xD800 else { return unit }
        var ahead = rest
        guard unit < 0xDC00, ahead.popFirst() == UInt8(ascii: "\\"), ahead.popFirst() == UInt8(ascii: "u"),
            let low = hexadecimal(&ahead), low & 0xFC00 == 0xDC00
        else { return 0xFFFD }
        rest = ahead
        return 0x1_0000 + (unit & 0x3FF) << 10 + (low & 0x3FF)
    }

    private static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
        func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: 0x80 | (scalar >> shift & 0x3F)) }
        switch scalar {
        case 0..<0x80: bytes.append(UInt8(truncatingIfNeeded: scalar))
        case 0x80..<0x800: bytes += [UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6), tail(0)]
        case 0x800..<0x1_0000: bytes += [UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12), tail(6), tail(0)]
        default: bytes += [UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18), tail(12), tail(6), tail(0)]
        }
    }
}
