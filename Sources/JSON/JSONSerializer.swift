extension JSONValue {
    /// The value as `JSON.stringify` prints it.
    public var jsonString: String {
        String(decoding: jsonBytes, as: UTF8.self)
    }

    /// The value as `JSON.stringify` prints it, in UTF-8; binary leaves become `null`.
    public var jsonBytes: [UInt8] {
        var serializer = JSONSerializer()
        serializer.write(self)
        return serializer.bytes
    }
}

/// Prints values the way `JSON.stringify` does; binary leaves become Socket.IO placeholders when asked for.
package struct JSONSerializer {
    /// What has been printed so far, in UTF-8.
    package private(set) var bytes: [UInt8] = []
    /// The binary leaves met so far, in order; nil prints them as `null`.
    package private(set) var attachments: [[UInt8]]?

    package init(collectingAttachments: Bool = false) {
        attachments = collectingAttachments ? [] : nil
    }

    private mutating func append(_ word: StaticString) {
        word.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    package mutating func write(_ value: JSONValue) {
        switch value {
        case .null: append("null")
        case .bool(true): append("true")
        case .bool(false): append("false")
        case .number(let number): writeNumber(number)
        case .string(let string): writeString(string)
        case .array(let array): write(array)
        case .object(let object): write(object)
        case .binary(let bytes): write(attachment: bytes)
        }
    }

    package mutating func write(_ array: [JSONValue]) {
        bytes.append(UInt8(ascii: "["))
        var isFirst = true
        for element in array {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            write(element)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    private mutating func write(_ object: JSONObject) {
        bytes.append(UInt8(ascii: "{"))
        var isFirst = true
        for member in object {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            writeString(member.key)
            bytes.append(UInt8(ascii: ":"))
            write(member.value)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private mutating func write(attachment: [UInt8]) {
        guard let number = attachments?.count else {
            append("null")
            return
        }
        attachments?.append(attachment)
        append("{\"_placeholder\":true,\"num\":")
        bytes.append(contentsOf: String(number).utf8)
        bytes.append(UInt8(ascii: "}"))
    }

    /// ECMA-262 QuoteJSONString: only quotes, backslashes and control characters are escaped.
    private mutating func writeString(_ string: String) {
        bytes.append(UInt8(ascii: "\""))
        var string = string
        string.withUTF8 { text in
            var start = 0
            for (offset, byte) in text.enumerated() where byte < 0x20 || byte == 0x22 || byte == 0x5C {
                bytes.append(contentsOf: text[start..<offset])
                writeEscape(byte)
                start = offset + 1
            }
            bytes.append(contentsOf: text[start...])
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func writeEscape(_ byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case 0x08: bytes.append(UInt8(ascii: "b"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0C: bytes.append(UInt8(ascii: "f"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        case 0x22, 0x5C: bytes.append(byte)
        default:
            append("u00")
            bytes.append(Self.hexDigit(byte >> 4))
            bytes.append(Self.hexDigit(byte & 15))
        }
    }

    private static func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") &+ nibble : UInt8(ascii: "a") &+ (nibble &- 10)
    }

    /// ECMA-262 Number::toString: shortest digits that round trip, plain notation from 1e-7 (exclusive) to 1e21.
    private mutating func writeNumber(_ number: Double) {
        guard number.isFinite else {
            append("null")
            return
        }
        if let integer = Int64(exactly: number), integer.magnitude <= 1 << 53 {
            bytes.append(contentsOf: String(integer).utf8)
            return
        }
        let (digits, exponent) = Self.shortestDecimal(of: number.magnitude)
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        write(digits: digits, exponent: exponent)
    }

    /// The shortest digits d1d2…dk and the n for which the number is 0.d1d2…dk × 10^n.
    private static func shortestDecimal(of magnitude: Double) -> (digits: [UInt8], exponent: Int) {
        var digits: [UInt8] = []
        var pointPosition: Int?
        var exponent = 0
        let text = Array(magnitude.description.utf8)
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte == UInt8(ascii: ".") {
                pointPosition = digits.count
            } else if byte == UInt8(ascii: "e") {
                exponent = Int(String(decoding: text[(index + 1)...], as: UTF8.self)) ?? 0
                break
            } else {
                digits.append(byte)
            }
            index += 1
        }
        var position = (pointPosition ?? digits.count) + exponent
        while digits.count > 1, digits.last == UInt8(ascii: "0") { digits.removeLast() }
        while digits.count > 1, digits.first == UInt8(ascii: "0") {
            digits.removeFirst()
            position -= 1
        }
        return (digits, position)
    }

    private mutating func write(digits: [UInt8], exponent: Int) {
        let count = digits.count
        switch exponent {
        case count...21 where exponent >= count:
            bytes.append(contentsOf: digits)
            bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: exponent - count))
        case 1...21:
            bytes.append(contentsOf: digits[..<exponent])
            bytes.append(UInt8(ascii: "."))
            bytes.append(contentsOf: digits[exponent...])
        case -5...0:
            append("0.")
            bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: -exponent))
            bytes.append(contentsOf: digits)
        default:
            bytes.append(contentsOf: digits[..<1])
            if count > 1 {
                bytes.append(UInt8(ascii: "."))
                bytes.append(contentsOf: digits[1...])
            }
            append(exponent > 0 ? "e+" : "e-")
            bytes.append(contentsOf: String(abs(exponent - 1)).utf8)
        }
    }
}
