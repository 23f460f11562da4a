import TestSupport
import Testing

@testable import PeerTreeCluster

@Suite("Objects in a stream", .timeLimit(.minutes(1)))
struct JSONObjectSplitterTests {
    private static let objects = [#"{"a":"}{\"\\"}"#, #"{"b":[{"c":{}},[]]}"#, "{}", #"{"d":"]","e":[1,2]}"#]

    @Test("Objects come out whole, wherever the stream is cut and however many are in one piece")
    func cuts() throws {
        let stream = Array(Self.objects.joined(separator: "\n").utf8)
        for seed in 0..<200 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var splitter = JSONObjectSplitter()
            var found: [String] = []
            var rest = stream[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 0...20, using: &random))
                found += try splitter.split(piece).map { String(decoding: $0, as: UTF8.self) }
                rest = rest.dropFirst(piece.count)
            }
            #expect(found == Self.objects, "seed \(seed)")
        }
    }

    @Test("An object that is too long, and what begins with no brace, is refused")
    func refused() throws {
        var splitter = JSONObjectSplitter(limit: 100)
        let endless = [UInt8](repeating: UInt8(ascii: "["), count: 60)
        #expect(try splitter.split([UInt8(ascii: "{")] + endless).isEmpty)
        #expect(throws: EtcdError.self) { try splitter.split(endless) }
        var other = JSONObjectSplitter()
        #expect(throws: EtcdError.self) { try other.split(Array("<html>".utf8)) }
    }
}
