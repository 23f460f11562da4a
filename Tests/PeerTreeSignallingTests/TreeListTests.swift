import PeerTreeSignalling
import Testing

@Suite("Lists of trees", .timeLimit(.minutes(1)))
struct TreeListTests {
    private func tree(_ id: String, _ viewers: Int) -> DashboardTree {
        DashboardTree(treeID: id, viewers: viewers, depth: 1)
    }

    @Test("Of several servers' trees the largest are listed, each once, and all are counted")
    func several() {
        var list = TreeList(clients: 7, treeCount: 2, peers: 9, largest: [tree("a", 1), tree("b", 5)])
        list.add(TreeList(clients: 1, treeCount: 3, peers: 4, largest: [tree("b", 6), tree("c", 5)], missing: ["n"]))
        #expect(list.largest == [tree("b", 6), tree("c", 5), tree("a", 1)])
        #expect([list.clients, list.treeCount, list.peers] == [8, 5, 13])
        #expect(list.missing == ["n"])
    }

    @Test("A list is bounded, and so is what it counts")
    func bounds() {
        let many = (0..<300).map { tree("t\($0)", $0) }
        var list = TreeList(clients: .max, treeCount: 300, peers: .max, largest: many)
        list.add(list)
        #expect(list.largest.map(\.viewers) == (200..<300).reversed())
        #expect([list.clients, list.treeCount, list.peers] == [.max, 600, .max])
    }
}
