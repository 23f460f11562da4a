/// A JSON value (RFC 8259) within a text, read in place: the few members that are wanted are looked for when they are.
struct JSONReader {
    private let bytes: [UInt8]
    private let range: Range<Int>

    /// How deep values may be nested.
    static let maximumDepth = 16

    /// Takes a text that is one JSON value, blanks around it aside; nil if it is not.
    init?(_ text: Text) {
        var scanner = JSONScanner(text.bytes)
        scanner.skipBlanks()
        let start = scanner.position
        guard scanner.skipValue(depth: Self.maximumDepth) else { return nil }
        let end = scanner.position
        scanner.skipBlanks()
        guard scanner.isAtEnd else { return nil }
        bytes = text.bytes
        range = start..<end
    }

    private init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        self.range = range
    }

    private var first: UInt8 { range.isEmpty ? 0 : bytes[range.lowerBound] }

    /// Whether it is an object.
    var isObject: Bool { first == UInt8(ascii: "{") }

    /// Whether it is `null`.
    var isNull: Bool { first == UInt8(ascii: "n") }

    /// The value as it is written.
    var raw: Text { Text(Array(bytes[range])) }

    /// A member of an object; the first, should there be several of the name.
    subscript(key: StaticString) -> JSONReader? {
        guard isObject else { return nil }
        var scanner = JSONScanner(bytes, at: range.lowerBound + 1)
        while let name = scanner.nextString(before: UInt8(ascii: "}")) {
            guard let value = scanner.nextMemberValue() else { return nil }
            if JSONReader(bytes, name).text.map({ $0 == key }) == true { return JSONReader(bytes, value) }
        }
        return nil
    }

    /// The elements of an array, so many of them at most; none of any other value.
    func elements(upTo limit: Int) -> [JSONReader] {
        guard first == UInt8(ascii: "[") else { return [] }
        var elements: [JSONReader] = []
        var scanner = JSONScanner(bytes, at: range.lowerBound + 1)
        while elements.count < limit, let value = scanner.nextElement() { elements.append(JSONReader(bytes, value)) }
        return elements
    }

    /// Whether it is an array.
    var isArray: Bool { first == UInt8(ascii: "[") }

    /// Whether it is `true`.
    var isTrue: Bool { first == UInt8(ascii: "t") }

    /// A string without its escapes.
    var text: Text? {
        guard first == UInt8(ascii: "\""), range.count >= 2 else { return nil }
        let content = bytes[range.lowerBound + 1..<range.upperBound - 1]
        guard content.contains(UInt8(ascii: "\\")) else { return Text(Array(content)) }
        return JSONEscapes.resolve(content).map { Text($0) }
    }

    /// A number.
    var number: Double? {
        let sign = first == UInt8(ascii: "-")
        guard sign || JSONScanner.isDigit(first) else { return nil }
        var value = 0.0
        var scale = 0
        var position = range.lowerBound + (sign ? 1 : 0)
        var isFraction = false
        while position < range.upperBound {
            let byte = bytes[position]
            if JSONScanner.isDigit(byte) {
                value = value * 10 + Double(byte - UInt8(ascii: "0"))
                if isFraction { scale -= 1 }
            } else if byte == UInt8(ascii: ".") {
                isFraction = true
            } else {
                scale += exponent(from: position + 1)
                break
            }
            position += 1
        }
        for _ in 0..<min(scale.magnitude, 400) { value = scale < 0 ? value / 10 : value * 10 }
        return sign ? -value : value
    }

    private func exponent(from start: Int) -> Int {
        var exponent = 0
        var isNegative = false
        for byte in bytes[start..<range.upperBound] {
            if JSONScanner.isDigit(byte) {
                exponent = min(exponent * 10 + Int(byte - UInt8(ascii: "0")), 400)
            } else {
                isNegative = byte == UInt8(ascii: "-")
            }
        }
        return isNegative ? -exponent : exponent
    }

    /// A whole number from 0 to `limit`; a larger one is taken for the limit, any other value for none.
    func integer(upTo limit: UInt32) -> UInt32? {
        guard let number, number >= 0, number.rounded(.towardZero) == number else { return nil }
        return number >= Double(limit) ? limit : UInt32(number)
    }
}
