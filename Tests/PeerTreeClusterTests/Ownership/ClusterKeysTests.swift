import PeerTreeSignalling
import Testing

@testable import PeerTreeCluster

@Suite("Keys of a cluster", .timeLimit(.minutes(1)))
struct ClusterKeysTests {
    private let keys = ClusterKeys(prefix: "/c")

    @Test("Every slot's key is read back as that slot's")
    func slots() {
        for slot in Slot.inOrder { #expect(keys.meaning(of: keys.slot(slot)) == .slot(slot)) }
        #expect(String(decoding: keys.slot(Slot.inOrder[7]), as: UTF8.self) == "/c/slots/0007")
    }

    @Test(
        "Other keys mean nothing",
        arguments: [
            "/c/slots/1024", "/c/slots/7", "/c/slots/+007", "/c/slots/00007", "/c/slots/", "/c/slots/0007/",
            "/d/slots/0007", "/c/", "",
            "/c/incarnation/",
        ]
    )
    func others(key: String) {
        #expect(keys.meaning(of: Array(key.utf8)) == nil)
    }

    @Test(
        "A node is written and read back; anything else is none",
        arguments: [
            ("a-1.b_C ff", true), ("a 0", true), ("a", false), ("a  1", false), ("a 0x1", false), ("a FF", false),
            ("a 01", false), (" 1", false),
            ("é 1", false), ("a 10000000000000000", false), ("a +1", false), ("a 1 ", false),
        ]
    )
    func nodes(text: String, isNode: Bool) {
        #expect((NodeID(written: Array(text.utf8)) != nil) == isNode)
    }

    @Test("A node's key says name, run and address, and whether it is leaving; nothing else is read")
    func records() throws {
        let id = try #require(NodeID(name: "a", run: 31))
        var record = try #require(NodeRecord(id: id, address: "[::1]:7000"))
        #expect(String(decoding: record.written, as: UTF8.self) == "a 1f [::1]:7000")
        #expect(NodeRecord(written: record.written) == record)
        record.isLeaving = true
        #expect(String(decoding: record.written, as: UTF8.self) == "a 1f [::1]:7000 leaving")
        #expect(NodeRecord(written: record.written) == record)
        for text in ["", "a 1f", "a 1f ", "a 1f x gone", "a 1f x leaving more", "a  x", "a 1F x", "a 1f x\n"] {
            #expect(NodeRecord(written: Array(text.utf8)) == nil, "\(text)")
        }
        #expect(NodeRecord(id: id, address: "") == nil)
        #expect(NodeRecord(id: id, address: String(repeating: "a", count: 301)) == nil)
    }
}
