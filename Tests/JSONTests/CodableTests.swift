import JSON
import Testing

@Suite("JSON values and Codable", .timeLimit(.minutes(5)))
struct CodableTests {
    private struct Everything: Codable, Equatable {
        enum Kind: String, Codable { case one, two }
        enum Choice: Codable, Equatable { case a(Int), b(text: String) }
        var flag = true
        var small: UInt8 = 255
        var large: Int64 = -9_007_199_254_740_992
        var fraction = 1.5
        var single: Float = 0.25
        var text = "é"
        var missing: String?
        var list: [[Int]] = [[1], []]
        var table = ["k": 1]
        var kind = Kind.two
        var choices = [Choice.a(1), .b(text: "x")]
        var bytes = JSONBytes([1, 2])
        var any: JSONValue = ["x": [1, nil, .binary([3])]]
        var object: JSONObject = ["z": 1, "a": 2]
    }

    @Test("Values of every kind survive, keep the order of their members, and hold bytes as bytes")
    func roundTrip() throws {
        let value = try JSONValueEncoder().encode(Everything())
        #expect(try JSONValueDecoder().decode(Everything.self, from: value) == Everything())
        #expect(value["missing"] == nil && value["bytes"]?.binaryValue == [1, 2])
        #expect(value.objectValue?.keys.prefix(3) == ["flag", "small", "large"])
        #expect(value["choices"]?.jsonString == #"[{"a":{"_0":1}},{"b":{"text":"x"}}]"#)
        #expect(try JSONValueEncoder().encode([Int]()) == [])
        #expect(try JSONValueEncoder().encode(Int?.none) == nil)
        #expect(try JSONValueEncoder().encode(7) == 7)
    }

    @Test("What does not fit is refused with the place and both sides")
    func mismatches() {
        #expect(throws: EncodingError.self) { try JSONValueEncoder().encode([Int64.max]) }
        let decoder = JSONValueDecoder()
        #expect(throws: DecodingError.self) { try decoder.decode(UInt8.self, from: 256) }
        #expect(throws: DecodingError.self) { try decoder.decode(Int.self, from: 1.5) }
        #expect(throws: DecodingError.self) { try decoder.decode(Int.self, from: "1") }
        #expect(throws: DecodingError.self) { try decoder.decode(String.self, from: nil) }
        #expect(throws: DecodingError.self) { try decoder.decode([Int].self, from: ["a": 1]) }
        #expect(throws: DecodingError.self) { try decoder.decode(JSONBytes.self, from: [1, 2]) }
        #expect {
            try decoder.decode(Everything.self, from: ["flag": true, "small": "x"])
        } throws: { error in
            guard case .typeMismatch(_, let context)? = error as? DecodingError else { return false }
            return context.codingPath.map(\.stringValue) == ["small"]
                && context.debugDescription == "expected UInt8, found a string"
        }
    }
}
