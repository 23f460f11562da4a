package import NIOCore

/// Polling by script tags, for browsers without CORS: payloads as calls of `___eio[N]`, data as a form.
package enum JSONPolling {
    /// A payload as a script.
    package static func script(_ payload: ByteBuffer, callback: String) -> ByteBuffer {
        var script = ByteBuffer()
        script.reserveCapacity(payload.readableBytes + 32)
        script.writeString("___eio[\(callback)](")
        // JSON allows two line ends in strings that JavaScript did not.
        let text = String(buffer: payload)
        let safe = JSONValue.string(text).jsonString
            .replacing("\u{2028}", with: "\\u2028").replacing("\u{2029}", with: "\\u2029")
        script.writeString(safe)
        script.writeStaticString(");")
        return script
    }

    /// The digits of a callback's number, which is all that may get into the script.
    package static func callback(_ parameter: String) -> String {
        String(decoding: parameter.utf8.filter { (0x30...0x39).contains($0) }.prefix(16), as: UTF8.self)
    }

    /// The payload inside `d=…`; nil if the form has none.
    package static func payload(ofForm form: ByteBuffer) -> ByteBuffer? {
        let fields = String(buffer: form).split(separator: "&")
        guard let field = fields.first(where: { $0.hasPrefix("d=") }),
            let text = PercentEncoding.decode(field.dropFirst(2), plusIsSpace: true)
        else { return nil }
        return ByteBuffer(string: unescape(text))
    }

    /// Forms change line ends under way, so clients write `\n` for a line feed and `\\n` for those two characters.
    private static func unescape(_ text: String) -> String {
        text.replacing("\\\\n", with: "\u{0}").replacing("\\n", with: "\n").replacing("\u{0}", with: "\\n")
    }
}

/// Percent-encoding (RFC 3986, section 2.1).
enum PercentEncoding {
    /// Nil if what is decoded is not UTF-8, or an escape is malformed.
    static func decode(_ text: some StringProtocol, plusIsSpace: Bool) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte & 15
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): (byte & 15) + 9
        default: nil
        }
    }
}
