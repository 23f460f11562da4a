public import NIOCore

extension JSONValue {
    /// The value as `JSON.stringify` prints it.
    public var jsonString: String {
        var buffer = ByteBuffer()
        writeJSON(into: &buffer)
        return String(buffer: buffer)
    }

    /// Appends the value as `JSON.stringify` prints it; binary leaves become `null`.
    public func writeJSON(into buffer: inout ByteBuffer) {
        var serializer = JSONSerializer()
        serializer.write(self, into: &buffer)
    }
}

/// Prints values the way `JSON.stringify` does; binary leaves become Socket.IO placeholders when asked for.
package struct JSONSerializer {
    /// The binary leaves met so far, in order; nil prints them as `null`.
    package private(set) var attachments: [ByteBuffer]?

    package init(collectingAttachments: Bool = false) {
        attachments = collectingAttachments ? [] : nil
    }

    package mutating func write(_ value: JSONValue, into buffer: inout ByteBuffer) {
        switch value {
        case .null: buffer.writeStaticString("null")
        case .bool(true): buffer.writeStaticString("true")
        case .bool(false): buffer.writeStaticString("false")
        case .number(let number): Self.writeNumber(number, into: &buffer)
        case .string(let string): Self.writeString(string, into: &buffer)
        case .array(let array): write(array, into: &buffer)
        case .object(let object): write(object, into: &buffer)
        case .binary(let bytes): write(bytes, into: &buffer)
        }
    }

    package mutating func write(_ array: [JSONValue], into buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(ascii: "["))
        var isFirst = true
        for element in array {
            if !isFirst { buffer.writeInteger(UInt8(ascii: ",")) }
            isFirst = false
            write(element, into: &buffer)
        }
        buffer.writeInteger(UInt8(ascii: "]"))
    }

    private mutating func write(_ object: JSONObject, into buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(ascii: "{"))
        var isFirst = true
        for member in object {
            if !isFirst { buffer.writeInteger(UInt8(ascii: ",")) }
            isFirst = false
            Self.writeString(member.key, into: &buffer)
            buffer.writeInteger(UInt8(ascii: ":"))
            write(member.value, into: &buffer)
        }
        buffer.writeInteger(UInt8(ascii: "}"))
    }

    private mutating func write(_ bytes: ByteBuffer, into buffer: inout ByteBuffer) {
        guard let number = attachments?.count else {
            buffer.writeStaticString("null")
            return
        }
        attachments?.append(bytes)
        buffer.writeStaticString("{\"_placeholder\":true,\"num\":")
        buffer.writeString(String(number))
        buffer.writeInteger(UInt8(ascii: "}"))
    }

    /// ECMA-262 QuoteJSONString: only quotes, backslashes and control characters are escaped.
    package static func writeString(_ string: String, into buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(ascii: "\""))
        var string = string
        string.withUTF8 { bytes in
            var start = 0
            for (offset, byte) in bytes.enumerated() where byte < 0x20 || byte == 0x22 || byte == 0x5C {
                buffer.writeBytes(bytes[start..<offset])
                writeEscape(byte, into: &buffer)
                start = offset + 1
            }
            buffer.writeBytes(bytes[start...])
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private static func writeEscape(_ byte: UInt8, into buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(ascii: "\\"))
        switch byte {
        case 0x08: buffer.writeInteger(UInt8(ascii: "b"))
        case 0x09: buffer.writeInteger(UInt8(ascii: "t"))
        case 0x0A: buffer.writeInteger(UInt8(ascii: "n"))
        case 0x0C: buffer.writeInteger(UInt8(ascii: "f"))
        case 0x0D: buffer.writeInteger(UInt8(ascii: "r"))
        case 0x22, 0x5C: buffer.writeInteger(byte)
        default:
            buffer.writeStaticString("u00")
            buffer.writeInteger(hexDigit(byte >> 4))
            buffer.writeInteger(hexDigit(byte & 15))
        }
    }

    private static func hexDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") &+ nibble : UInt8(ascii: "a") &+ (nibble &- 10)
    }

    /// ECMA-262 Number::toString: shortest digits that round trip, plain notation from 1e-7 (exclusive) to 1e21.
    package static func writeNumber(_ number: Double, into buffer: inout ByteBuffer) {
        guard number.isFinite else {
            buffer.writeStaticString("null")
            return
        }
        if let integer = Int64(exactly: number), integer.magnitude <= 1 << 53 {
            buffer.writeString(String(integer))
            return
        }
        let (digits, exponent) = shortestDecimal(of: number.magnitude)
        if number < 0 { buffer.writeInteger(UInt8(ascii: "-")) }
        write(digits: digits, exponent: exponent, into: &buffer)
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

    private static func write(digits: [UInt8], exponent: Int, into buffer: inout ByteBuffer) {
        let count = digits.count
        switch exponent {
        case count...21 where exponent >= count:
            buffer.writeBytes(digits)
            buffer.writeRepeatingByte(UInt8(ascii: "0"), count: exponent - count)
        case 1...21:
            buffer.writeBytes(digits[..<exponent])
            buffer.writeInteger(UInt8(ascii: "."))
            buffer.writeBytes(digits[exponent...])
        case -5...0:
            buffer.writeStaticString("0.")
            buffer.writeRepeatingByte(UInt8(ascii: "0"), count: -exponent)
            buffer.writeBytes(digits)
        default:
            buffer.writeBytes(digits[..<1])
            if count > 1 {
                buffer.writeInteger(UInt8(ascii: "."))
                buffer.writeBytes(digits[1...])
            }
            buffer.writeStaticString(exponent > 0 ? "e+" : "e-")
            buffer.writeString(String(abs(exponent - 1)))
        }
    }
}
