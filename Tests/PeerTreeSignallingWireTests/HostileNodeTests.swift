import PeerTreeCore
import PeerTreeSignalling
import TestSupport
import Testing

@testable import PeerTreeSignallingWire

@Suite("Messages of a hostile node", .timeLimit(.minutes(5)))
struct HostileNodeTests {
    private let options = SignallingOptions()

    @Test("Damaged messages to trees are refused, or are within bounds", arguments: 0..<60)
    func toTree(seed: UInt64) throws {
        var messages = RandomMessages(seed: seed)
        var mutations = Mutations(seed: seed)
        var accepted = 0
        for _ in 0..<25 {
            for kind in ToTreeKind.allCases {
                var bytes = messages.toTree(kind).written()
                let other = messages.toTree(.enter).written()
                for _ in 0...mutations.upTo(5) {
                    mutations.mutate(&bytes, with: other)
                    guard let read = try? ToTree(written: bytes, options: options) else { continue }
                    accepted += 1
                    try #require(Bounds.violations(of: read) == [], "seed \(seed)")
                    let again = try ToTree(written: read.written(), options: options)
                    try #require(try ToTree(written: again.written(), options: options) == again, "seed \(seed)")
                }
            }
        }
        #expect(accepted > 20, "seed \(seed): nothing got through, which shows nothing")
    }

    @Test("Damaged messages to gateways are refused, or are within bounds", arguments: 0..<60)
    func toGateway(seed: UInt64) throws {
        var messages = RandomMessages(seed: seed)
        var mutations = Mutations(seed: seed)
        var accepted = 0
        for _ in 0..<15 {
            for kind in ToGatewayKind.allCases {
                var bytes = messages.toGateway(kind).written()
                let other = messages.toGateway(.answer).written()
                for _ in 0...mutations.upTo(5) {
                    mutations.mutate(&bytes, with: other)
                    guard let read = try? ToGateway(written: bytes, options: options) else { continue }
                    accepted += 1
                    try #require(Bounds.violations(of: read) == [], "seed \(seed)")
                    // In JSON a number may be greater than any: it is written as null, as browsers do.
                    let again = try ToGateway(written: read.written(), options: options)
                    try #require(try ToGateway(written: again.written(), options: options) == again, "seed \(seed)")
                }
            }
        }
        #expect(accepted > 20, "seed \(seed): nothing got through, which shows nothing")
    }

    @Test("Bytes at random are refused, or are within bounds")
    func noise() throws {
        var random = SeededGenerator(seed: 4)
        for round in 0..<20_000 {
            let bytes = random.bytes(round % 60)
            if let read = try? ToTree(written: bytes, options: options) {
                try #require(Bounds.violations(of: read) == [], "round \(round)")
            }
            if let read = try? ToGateway(written: bytes, options: options) {
                try #require(Bounds.violations(of: read) == [], "round \(round)")
            }
        }
    }

    @Test("A message that is longer than any is refused unread, and says how long it may be")
    func tooLong() {
        let toTree = [UInt8](repeating: 0, count: options.maximumBytesToTree + 1)
        #expect(throws: WrittenFormError.tooLong(bytes: toTree.count, limit: toTree.count - 1)) {
            try ToTree(written: toTree, options: options)
        }
        let toGateway = [UInt8](repeating: 0, count: options.maximumBytesToGateway + 1)
        #expect(throws: WrittenFormError.tooLong(bytes: toGateway.count, limit: toGateway.count - 1)) {
            try ToGateway(written: toGateway, options: options)
        }
    }

    @Test("A message that nests without end is refused")
    func nesting() {
        // Groups of a field that is not known, which protocol buffers may nest.
        let bytes = (0..<100_000).flatMap { _ in [0xFB, 0x07] as [UInt8] }
        #expect(throws: WrittenFormError.unreadable) { try ToTree(written: bytes, options: options) }
        #expect(throws: WrittenFormError.unreadable) { try ToGateway(written: bytes, options: options) }
    }
}
