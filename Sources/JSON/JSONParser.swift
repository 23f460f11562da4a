/// Bounds on JSON taken from the network.
public struct JSONLimits: Sendable, Hashable {
    /// How deep arrays and objects may nest. Default 32; at most 512 is honoured, because parsing recurses.
    public var maximumDepth: Int
    /// How many bytes of text are accepted. Default 1,000,000.
    public var maximumBytes: Int
    /// How many values (members and elements included) are accepted. Default 100,000; each costs about 40 bytes.
    public var maximumNodes: Int

    /// The limits, all with their defaults.
    public init(maximumDepth: Int = 32, maximumBytes: Int = 1_000_000, maximumNodes: Int = 100_000) {
        self.maximumDepth = maximumDepth
        self.maximumBytes = maximumBytes
        self.maximumNodes = maximumNodes
    }
}

/// Why a text is not acceptable JSON (RFC 8259). Offsets count bytes from the start of the text.
public enum JSONError: Error, Hashable {
    /// The text ends inside a value.
    case unexpectedEnd
    /// This byte cannot stand at this place.
    case unexpectedByte(UInt8, offset: Int)
    /// A string is not valid UTF-8.
    case invalidUTF8(offset: Int)
    /// A backslash is followed by something other than an escape.
    case invalidEscape(offset: Int)
    /// A number is longer than 1,024 characters.
    case numberTooLong(offset: Int)
    /// Nested deeper than the limit.
    case tooDeep(limit: Int)
    /// More values than the limit.
    case tooManyNodes(limit: Int)
    /// More bytes than the limit.
    case tooLong(bytes: Int, limit: Int)
}

extension JSONValue {
    /// Parses `bytes`, which must hold exactly one value.
    ///
    /// Strings must be valid UTF-8. A `\u` escape that names a lone surrogate becomes U+FFFD, as it cannot be
    /// represented in Swift. The last of equal keys wins, as in `JSON.parse`. Numbers beyond a double's range become
    /// infinite, as in JavaScript.
    public init(parsing bytes: UnsafeRawBufferPointer, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        guard bytes.count <= limits.maximumBytes else {
            throw .tooLong(bytes: bytes.count, limit: limits.maximumBytes)
        }
        var parser = JSONParser(bytes: bytes, limits: limits)
        self = try parser.parseDocument()
    }

    /// Parses bytes; see ``init(parsing:limits:)-(UnsafeRawBufferPointer,_)``.
    public init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(JSONError) in try JSONValue(parsing: bytes, limits: limits) }
        }
        self = try result.get()
    }

    /// Parses a text; see ``init(parsing:limits:)-(UnsafeRawBufferPointer,_)``.
    public init(parsing text: some StringProtocol, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }
}

/// A recursive descent parser over bytes it does not own. Every index is checked against the end before use.
private struct JSONParser {
    let bytes: UnsafeRawBufferPointer
    let maximumDepth: Int
    let maximumNodes: Int
    var position = 0
    var nodes = 0

    private static let longestNumber = 1024

    init(bytes: UnsafeRawBufferPointer, limits: JSONLimits) {
        self.bytes = bytes
        maximumDepth = min(limits.maximumDepth, 512)
        maximumNodes = limits.maximumNodes
    }

    mutating func parseDocument() throws(JSONError) -> JSONValue {
        let value = try parseValue(depth: 0)
        skipWhitespace()
        guard position == bytes.count else { throw .unexpectedByte(bytes[position], offset: position) }
        return value
    }

    private mutating func parseValue(depth: Int) throws(JSONError) -> JSONValue {
        nodes += 1
        guard nodes <= maximumNodes else { throw .tooManyNodes(limit: maximumNodes) }
        skipWhitespace()
        let byte = try peek()
        switch byte {
        case UInt8(ascii: "{"): return .object(try parseObject(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try parseArray(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try parseNumber())
        default: throw .unexpectedByte(byte, offset: position)
        }
    }

    private mutating func parseArray(depth: Int) throws(JSONError) -> [JSONValue] {
        guard depth <= maximumDepth else { throw .tooDeep(limit: maximumDepth) }
        position += 1
        var elements: [JSONValue] = []
        skipWhitespace()
        if try peek() == UInt8(ascii: "]") {
            position += 1
            return elements
        }
        while true {
            elements.append(try parseValue(depth: depth))
            if try !continuesList(closing: UInt8(ascii: "]")) { return elements }
        }
    }

    private mutating func parseObject(depth: Int) throws(JSONError) -> JSONObject {
        guard depth <= maximumDepth else { throw .tooDeep(limit: maximumDepth) }
        position += 1
        var object = JSONObject()
        skipWhitespace()
        if try peek() == UInt8(ascii: "}") {
            position += 1
            return object
        }
        while true {
            skipWhitespace()
            guard try peek() == UInt8(ascii: "\"") else { throw .unexpectedByte(bytes[position], offset: position) }
            let key = try parseString()
            skipWhitespace()
            try expect(UInt8(ascii: ":"))
            object[key] = try parseValue(depth: depth)
            if try !continuesList(closing: UInt8(ascii: "}")) { return object }
        }
    }

    /// Consumes a comma (true) or the closing bracket (false).
    private mutating func continuesList(closing: UInt8) throws(JSONError) -> Bool {
        skipWhitespace()
        let byte = try peek()
        position += 1
        if byte == UInt8(ascii: ",") { return true }
        if byte == closing { return false }
        throw .unexpectedByte(byte, offset: position - 1)
    }

    private mutating func parseString() throws(JSONError) -> String {
        position += 1
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                let string = try text(from: start, to: position)
                position += 1
                return string
            case UInt8(ascii: "\\"): return try parseEscapedString(from: start)
            case 0..<0x20: throw .unexpectedByte(byte, offset: position)
            default: position += 1
            }
        }
        throw .unexpectedEnd
    }

    /// Continues a string at its first backslash.
    private mutating func parseEscapedString(from start: Int) throws(JSONError) -> String {
        var unescaped: [UInt8] = []
        var runStart = start
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                unescaped.append(contentsOf: bytes[runStart..<position])
                position += 1
                guard let string = String(validating: unescaped, as: UTF8.self) else {
                    throw .invalidUTF8(offset: start)
                }
                return string
            case UInt8(ascii: "\\"):
                unescaped.append(contentsOf: bytes[runStart..<position])
                position += 1
                try parseEscape(into: &unescaped)
                runStart = position
            case 0..<0x20: throw .unexpectedByte(byte, offset: position)
            default: position += 1
            }
        }
        throw .unexpectedEnd
    }

    private mutating func parseEscape(into unescaped: inout [UInt8]) throws(JSONError) {
        let byte = try peek()
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): unescaped.append(byte)
        case UInt8(ascii: "b"): unescaped.append(0x08)
        case UInt8(ascii: "f"): unescaped.append(0x0C)
        case UInt8(ascii: "n"): unescaped.append(0x0A)
        case UInt8(ascii: "r"): unescaped.append(0x0D)
        case UInt8(ascii: "t"): unescaped.append(0x09)
        case UInt8(ascii: "u"): unescaped.append(contentsOf: Unicode.UTF8.encode(try parseUnicodeEscape()) ?? .init())
        default: throw .invalidEscape(offset: position - 1)
        }
    }

    /// The scalar of `\uXXXX`, joined with a following low surrogate; U+FFFD for a lone one.
    private mutating func parseUnicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let replacement: Unicode.Scalar = "\u{FFFD}"
        let high = try parseHexadecimal()
        if let scalar = Unicode.Scalar(high) { return scalar }
        guard high < 0xDC00, position + 6 <= bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { return replacement }
        let afterHigh = position
        position += 2
        let low = try parseHexadecimal()
        guard (0xDC00...0xDFFF).contains(low) else {
            position = afterHigh
            return replacement
        }
        return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)) ?? replacement
    }

    private mutating func parseHexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = try peek()
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw .invalidEscape(offset: position)
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private mutating func parseNumber() throws(JSONError) -> Double {
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        let firstDigit = position
        try skipDigits()
        if bytes[firstDigit] == UInt8(ascii: "0"), position > firstDigit + 1 {
            throw .unexpectedByte(bytes[firstDigit + 1], offset: firstDigit + 1)
        }
        var isInteger = true
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            try skipDigits()
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            try skipDigits()
        }
        guard position - start <= Self.longestNumber else { throw .numberTooLong(offset: start) }
        let digits = UnsafeRawBufferPointer(rebasing: bytes[start..<position])
        if isInteger, digits.count <= 16, digits[0] != UInt8(ascii: "-") {
            return Double(digits.reduce(0 as Int) { $0 &* 10 &+ Int($1 & 15) })
        }
        return Double(String(decoding: digits, as: UTF8.self)) ?? .nan
    }

    private mutating func skipDigits() throws(JSONError) {
        let start = position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            position += 1
        }
        guard position > start else {
            let byte = try peek()
            throw .unexpectedByte(byte, offset: position)
        }
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for offset in 0..<word.utf8CodeUnitCount { try expect(word.utf8Start[offset]) }
        return value
    }

    private func peek() throws(JSONError) -> UInt8 {
        guard position < bytes.count else { throw .unexpectedEnd }
        return bytes[position]
    }

    private mutating func expect(_ expected: UInt8) throws(JSONError) {
        let byte = try peek()
        guard byte == expected else { throw .unexpectedByte(byte, offset: position) }
        position += 1
    }

    private mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private func text(from start: Int, to end: Int) throws(JSONError) -> String {
        let slice = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        guard let string = String(validating: slice, as: UTF8.self) else { throw .invalidUTF8(offset: start) }
        return string
    }
}
