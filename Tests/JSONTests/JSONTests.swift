import JSON
import TestSupport
import Testing

@Suite("JSON", .timeLimit(.minutes(5)))
struct JSONTests {
    @Test(
        "What JSON.stringify prints is parsed and printed again byte for byte",
        arguments: [
            "null", "true", "false", "0", "-1", "1.5", "123456789012", "9007199254740992", "1e+21", "1e-7",
            "0.000001",
            "1.7976931348623157e+308", "5e-324", "123456789012345680000", "-0.1", "1.25e-9", "100", "0.1",
            #""""#, #""a""#, #""é😀""#, #""\"\\\b\f\n\r\t\u0001\u001f/""#, "\"\u{7f}\u{2028}\"",
            "[]", "{}", "[1,[2,[3]],{}]", #"{"b":1,"a":2,"__proto__":{"constructor":null}}"#,
            #"{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
        ]
    )
    func roundTrip(text: String) throws {
        #expect(try JSONValue(parsing: text).jsonString == text)
    }

    @Test(
        "Numbers print as in JavaScript",
        arguments: [
            (0.0, "0"), (-0.0, "0"), (1.0, "1"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.1 + 0.2, "0.30000000000000004"), (1e-6, "0.000001"), (1.234e-7, "1.234e-7"), (123.456, "123.456"),
            (4_503_599_627_370_495.5, "4503599627370495.5"), (1e16, "10000000000000000"), (.infinity, "null"),
            (.nan, "null"), (-1e-7, "-1e-7"), (2.5e-5, "0.000025"), (9_007_199_254_740_994, "9007199254740994"),
        ] as [(Double, String)]
    )
    func numbers(number: Double, text: String) {
        #expect(JSONValue(number).jsonString == text)
    }

    @Test(
        "Escapes are understood",
        arguments: [
            (#""\u0041\u00e9\u20ac""#, "Aé€"), (#""\ud83d\ude00""#, "😀"),
            (#""\/\b\f\n\r\t\\\"""#, "/\u{8}\u{c}\n\r\t\\\""),
            (#""\ud83d""#, "\u{FFFD}"), (#""\ude00x""#, "\u{FFFD}x"), (#""\ud83d\u0041""#, "\u{FFFD}A"),
            (#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"), (#""\u0000""#, "\u{0}"),
        ]
    )
    func escapes(text: String, value: String) throws {
        #expect(try JSONValue(parsing: text) == .string(value))
    }

    @Test("White space is skipped between tokens, and nowhere else")
    func whitespace() throws {
        #expect(try JSONValue(parsing: " \t\r\n[ 1 , { \"a\" : 2 } ]\n").jsonString == #"[1,{"a":2}]"#)
        #expect(throws: JSONError.self) { try JSONValue(parsing: "1 2") }
        #expect(throws: JSONError.self) { try JSONValue(parsing: "tr ue") }
    }

    @Test(
        "Malformed texts are refused with the reason",
        arguments: [
            ("", .unexpectedEnd), ("[", .unexpectedEnd), ("{\"a\":", .unexpectedEnd), ("\"abc", .unexpectedEnd),
            ("\"\\", .unexpectedEnd), ("-", .unexpectedEnd), ("1.", .unexpectedEnd), ("1e", .unexpectedEnd),
            ("[1,]", .unexpectedByte(UInt8(ascii: "]"), offset: 3)),
            ("{,}", .unexpectedByte(UInt8(ascii: ","), offset: 1)),
            ("01", .unexpectedByte(UInt8(ascii: "1"), offset: 1)),
            ("+1", .unexpectedByte(UInt8(ascii: "+"), offset: 0)),
            ("[1 2]", .unexpectedByte(UInt8(ascii: "2"), offset: 3)), ("nul", .unexpectedEnd),
            ("{\"a\" 1}", .unexpectedByte(UInt8(ascii: "1"), offset: 5)),
            ("{1:2}", .unexpectedByte(UInt8(ascii: "1"), offset: 1)),
            ("\"\n\"", .unexpectedByte(0x0A, offset: 1)), ("\"\\x\"", .invalidEscape(offset: 2)),
            ("\"\\u12g4\"", .invalidEscape(offset: 5)), ("NaN", .unexpectedByte(UInt8(ascii: "N"), offset: 0)),
            ("1]", .unexpectedByte(UInt8(ascii: "]"), offset: 1)),
            (".5", .unexpectedByte(UInt8(ascii: "."), offset: 0)),
        ] as [(String, JSONError)]
    )
    func malformed(text: String, error: JSONError) {
        #expect(throws: error) { try JSONValue(parsing: text) }
    }

    @Test("Invalid UTF-8 is refused, in plain and in escaped strings")
    func invalidUTF8() {
        for bytes in [[0xFF], [0xC0, 0x80], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80]] as [[UInt8]] {
            for prefix in [[], Array("\\n".utf8)] {
                let text = [0x22] + prefix + bytes + [0x22]
                #expect(throws: JSONError.invalidUTF8(offset: 1)) { try JSONValue(parsing: text) }
            }
        }
    }

    @Test("Depth, length and number of values are bounded")
    func limits() throws {
        let limits = JSONLimits(maximumDepth: 4, maximumBytes: 40, maximumNodes: 6)
        #expect(try JSONValue(parsing: "[[[[1]]]]", limits: limits).jsonString == "[[[[1]]]]")
        #expect(throws: JSONError.tooDeep(limit: 4)) { try JSONValue(parsing: "[[[[[1]]]]]", limits: limits) }
        #expect(throws: JSONError.tooDeep(limit: 4)) {
            try JSONValue(parsing: #"{"a":[{"a":[[]]}]}"#, limits: limits)
        }
        #expect(throws: JSONError.tooManyNodes(limit: 6)) {
            try JSONValue(parsing: "[1,2,3,4,5,6]", limits: limits)
        }
        let long = "\"" + String(repeating: "a", count: 40) + "\""
        #expect(throws: JSONError.tooLong(bytes: 42, limit: 40)) { try JSONValue(parsing: long, limits: limits) }
        let bomb = String(repeating: "[", count: 500_000)
        #expect(throws: JSONError.tooDeep(limit: 32)) { try JSONValue(parsing: bomb) }
        let objects = String(repeating: #"{"a":"#, count: 100_000)
        #expect(throws: JSONError.tooDeep(limit: 32)) { try JSONValue(parsing: objects) }
    }

    @Test("Huge and tiny numbers end where a double ends")
    func hugeNumbers() throws {
        #expect(try JSONValue(parsing: "1e999") == .number(.infinity))
        #expect(try JSONValue(parsing: "-1e999") == .number(-.infinity))
        #expect(try JSONValue(parsing: "1e-999") == .number(0))
        #expect(try JSONValue(parsing: "1e99999999999999999999999").doubleValue == .infinity)
        let digits = String(repeating: "9", count: 1024)
        #expect(try JSONValue(parsing: digits).doubleValue == .infinity)
        #expect(throws: JSONError.numberTooLong(offset: 0)) { try JSONValue(parsing: digits + "9") }
        #expect(try JSONValue(parsing: "9999999999999999").doubleValue == 1e16)
        #expect(try JSONValue(parsing: "12345678901234567890").doubleValue == 12_345_678_901_234_567_168)
        #expect(try JSONValue(parsing: "1e3").intValue == 1000)
        #expect(try JSONValue(parsing: "1e30").intValue == nil)
    }

    @Test("The last of equal keys wins and keeps the first one's place; large objects stay linear")
    func keys() throws {
        #expect(try JSONValue(parsing: #"{"a":1,"b":2,"a":3}"#).jsonString == #"{"a":3,"b":2}"#)
        let members = (0..<20_000).map { "\"k\($0 % 15_000)\":\($0)" }.joined(separator: ",")
        let object = try JSONValue(parsing: "{\(members)}")
        #expect(object.objectValue?.count == 15_000)
        #expect(object["k4999"]?.intValue == 19_999)
        #expect(object["k14999"]?.intValue == 14_999)
    }

    @Test("Members can be read, replaced, appended and removed")
    func members() {
        var object: JSONObject = ["a": 1, "b": 2, "c": [1, nil, "x"]]
        object["b"] = nil
        object["d"] = true
        object["a"] = 1.5
        object["absent"] = nil
        #expect(JSONValue.object(object).jsonString == #"{"a":1.5,"c":[1,null,"x"],"d":true}"#)
        let value = JSONValue.object(object)
        #expect(value["c"]?[2]?.stringValue == "x")
        #expect(value["c"]?[3] == nil)
        #expect(value["c"]?[-1] == nil)
        #expect(value["c"]?[1]?.isNull == true)
        #expect(value["nothing"]?["at"]?[0] == nil)
        #expect(JSONValue.string("x")["a"] == nil)
        for index in 0..<40 { object["key\(index)"] = JSONValue(index) }
        object["key3"] = nil
        #expect(object["key39"] == 39)
        #expect(object["key3"] == nil)
        #expect(object.keys.count == 42)
    }

    @Test("Random bytes never trap, and what is accepted survives a round trip")
    func fuzzBytes() throws {
        let seed: UInt64 = 0x5EED_0001
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("[]{}\",:\\u0123456789abcdeftrnl+-.eE \n\u{e9}\u{1}".utf8)
        for round in 0..<100_000 {
            let count = Int.random(in: 0...24, using: &random)
            let isTokens = Bool.random(using: &random)
            let bytes = (0..<count).map { _ in
                isTokens ? alphabet.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
            }
            guard let value = try? JSONValue(parsing: bytes) else { continue }
            let text = value.jsonString
            if try JSONValue(parsing: text).jsonString != text {
                Issue.record("seed \(seed) round \(round) bytes \(bytes)")
            }
        }
    }

    @Test("Random values survive a round trip")
    func fuzzValues() throws {
        let seed: UInt64 = 0x5EED_0002
        var random = SeededGenerator(seed: seed)
        for round in 0..<5_000 {
            let value = randomValue(depth: 0, using: &random)
            if try JSONValue(parsing: value.jsonString) != value { Issue.record("seed \(seed) round \(round)") }
        }
    }

    @Test("Random doubles print shortest and read back the same")
    func fuzzDoubles() throws {
        let seed: UInt64 = 0x5EED_0003
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            let number = Double(bitPattern: random.next())
            guard number.isFinite else { continue }
            let text = JSONValue(number).jsonString
            let isSame = try JSONValue(parsing: text).doubleValue == number
            if !isSame || text.utf8.count > 25 { Issue.record("seed \(seed) number \(number) text \(text)") }
        }
    }

    private func randomValue(depth: Int, using random: inout SeededGenerator) -> JSONValue {
        switch Int.random(in: 0...(depth < 4 ? 6 : 4), using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2: return .number(Double(Int.random(in: -1_000_000...1_000_000, using: &random)) / 64)
        case 3, 4:
            let scalars = (0..<Int.random(in: 0...8, using: &random)).compactMap { _ in
                Unicode.Scalar(UInt32.random(in: 0...0x2FFFF, using: &random))
            }
            return .string(String(String.UnicodeScalarView(scalars)))
        case 5:
            let count = Int.random(in: 0...4, using: &random)
            return .array((0..<count).map { _ in randomValue(depth: depth + 1, using: &random) })
        default:
            let count = Int.random(in: 0...4, using: &random)
            return .object(
                JSONObject((0..<count).map { ("k\($0)", randomValue(depth: depth + 1, using: &random)) })
            )
        }
    }
}
