/// Writes JSON (RFC 8259) as UTF-8.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// What `body` writes.
    static func text(_ body: (inout JSONWriter) -> Void) -> Text {
        var writer = JSONWriter()
        body(&writer)
        return Text(writer.bytes)
    }

    /// An object, whose members `body` writes.
    mutating func object(_ body: (inout JSONWriter) -> Void) {
        enclose(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    /// An array, whose elements `body` writes.
    mutating func array(_ body: (inout JSONWriter) -> Void) {
        enclose(UInt8(ascii: "["), UInt8(ascii: "]"), body)
    }

    private mutating func enclose(_ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void) {
        separate()
        bytes.append(open)
        needsComma = false
        body(&self)
        bytes.append(close)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    /// The name of the member whose value comes next.
    mutating func name(_ name: StaticString) {
        string(Text(name))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A string.
    mutating func string(_ text: Text) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for byte in text.bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0x0A: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0x0D: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case 0..<0x20:
                Text("\\u00").bytes.forEach { bytes.append($0) }
                bytes += [hexadecimal(byte >> 4), hexadecimal(byte & 15)]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }

    /// A whole number.
    mutating func integer(_ number: UInt64) {
        separate()
        digits(number)
    }

    /// A number of tenths.
    mutating func tenths(_ number: UInt64) {
        separate()
        digits(number / 10)
        if number % 10 != 0 { bytes += [UInt8(ascii: "."), UInt8(ascii: "0") + UInt8(number % 10)] }
    }

    private mutating func digits(_ number: UInt64) {
        if number >= 10 { digits(number / 10) }
        bytes.append(UInt8(ascii: "0") + UInt8(number % 10))
    }

    /// What is JSON already.
    mutating func raw(_ json: Text) {
        separate()
        bytes += json.bytes
    }
}
