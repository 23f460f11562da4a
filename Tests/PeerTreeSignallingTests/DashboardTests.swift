import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// What a dashboard has put together from the changes it was sent.
private struct Replica {
    var peers: [String: DashboardChanges.Peer] = [:]
    var sequence: UInt64 = 0
    var isOver = false

    mutating func take(_ changes: DashboardChanges) {
        #expect(changes.sequence == sequence + 1)
        sequence = changes.sequence
        for label in changes.gone { peers[label] = nil }
        for peer in changes.peers { peers[peer.label] = peer }
        isOver = changes.isOver
    }

    mutating func catchUp(_ harness: inout SignallingHarness, _ watcher: Int) throws {
        while true {
            let changes = try harness.changes(for: watcher)
            take(changes)
            if changes.isComplete || changes.isOver { return }
        }
    }
}

extension SignallingHarness {
    fileprivate mutating func watch(_ tree: String, as watcher: Int = 1) throws -> Int {
        guard case .watching = try ask(.watch(tree: tree), as: watcher) else {
            Issue.record("\(tree) cannot be watched")
            return watcher
        }
        return watcher
    }

    fileprivate mutating func changes(for watcher: Int) throws -> DashboardChanges {
        let answer = try ask(.look, as: watcher)
        guard case .changes(let changes) = answer else { throw Unexpected(answer: answer) }
        return changes
    }

    private struct Unexpected: Error {
        var answer: DashboardAnswer
    }
}

@Suite(.timeLimit(.minutes(5)))
struct DashboardTests {
    @Test(arguments: 1...20)
    func changesAddUpToTheTreeAsItIs(seed: UInt64) throws {
        var harness = SignallingHarness(seed: seed)
        var clients = RandomClients(seed: seed)
        let tree = try harness.createTree("source", seed.isMultiple(of: 2) ? [:] : ["stripes": 3, "parity": 1])
        for number in 1...20 { try harness.join("v\(number)", tree) }
        let watcher = try harness.watch(tree)
        var replica = Replica()
        for step in 0..<600 {
            clients.act(on: &harness)
            if step % 7 == 0 { harness.wait(.milliseconds(300)) }
            guard step % 5 == 0 else { continue }
            try replica.catchUp(&harness, watcher)
            guard let shape = harness.shape(of: tree) else {
                #expect(replica.isOver, "seed \(seed), step \(step)")
                return
            }
            let expected = Dictionary(uniqueKeysWithValues: shape.peers.map { ($0.label, $0) })
            var found = replica.peers
            #expect(found.removeValue(forKey: shape.source) != nil)
            #expect(Set(found.keys) == Set(expected.keys), "seed \(seed), step \(step)")
            for (label, peer) in expected {
                #expect(found[label]?.parents == peer.parents, "seed \(seed), step \(step), \(label)")
                #expect(found[label]?.isConnected == peer.isConnected, "seed \(seed), step \(step), \(label)")
            }
        }
    }

    @Test func aLargeTreeComesInBoundedBatches() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("source")
        for number in 1...2_500 { try harness.join("v\(number)", tree) }
        let watcher = try harness.watch(tree)
        var sizes: [Int] = []
        var isComplete = false
        while !isComplete {
            let changes = try harness.changes(for: watcher)
            sizes.append(changes.peers.count)
            isComplete = changes.isComplete
        }
        #expect(sizes == [1_000, 1_000, 501])
        harness.emit("v7", "peer-tree[status]", ["rate": 100, "lag": 5, "roundTrip": 1.5])
        let changes = try harness.changes(for: watcher)
        #expect(changes.peers.map(\.report) == [PeerReport(rate: 100, lag: 5, roundTrip: 1.5, agent: nil)])
    }

    @Test func whatHappensInATreeIsCounted() throws {
        var harness = SignallingHarness { $0.tracker.childrenOfSource = 1 }
        let tree = try harness.createTree("source")
        for id in ["a", "b", "c"] {
            try harness.join(id, tree)
            harness.emit(id, "peer-tree[attached]", ["stripe": 0, "epoch": 1])
        }
        let watcher = try harness.watch(tree)
        _ = try harness.changes(for: watcher)
        harness.emit("b", "peer-tree[orphaned]", ["stripe": 0, "epoch": 1, "reason": "forged"])
        harness.emit("a", "peer-tree[leave]", [:])
        let activity = try harness.changes(for: watcher).activity
        #expect(activity.forgeries == 1)
        #expect(activity.joins == 3)
        #expect(activity.leaves == 1)
        #expect(activity.repairs + activity.moves >= 1)
    }

    @Test func theNumberOfWatchersIsLimited() throws {
        var harness = SignallingHarness { $0.maximumWatchers = 1 }
        let tree = try harness.createTree("source")
        let first = try harness.watch(tree)
        func refusal(_ question: DashboardQuestion, as watcher: Int) throws -> String? {
            guard case .refused(let error) = try harness.ask(question, as: watcher) else { return nil }
            return error.code
        }
        let second = try refusal(.watch(tree: tree), as: 2)
        #expect(second == "too-many-watchers")
        harness.handle(.asked(watcher: first, .unwatch))
        let codes = try [
            refusal(.watch(tree: "unknown"), as: 3), refusal(.watch(tree: tree), as: 2), refusal(.look, as: 1),
            refusal(.shape(tree: "unknown"), as: 4),
        ]
        #expect(codes == ["unknown-tree", nil, "not-watching", "unknown-tree"])
    }

    @Test func aWatcherHearsThatTheTreeIsOver() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("source")
        let watcher = try harness.watch(tree)
        harness.emit("source", "peer-tree[leave]", [:])
        let changes = try harness.changes(for: watcher)
        #expect(changes.isOver)
    }

    @Test func theNameOfAProgramIsShortAndPlain() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree(
            "source",
            ["agent": "<b>\"Evil\"</b> 1.0/2 with much more of it than anybody reads"]
        )
        let watcher = try harness.watch(tree)
        let changes = try harness.changes(for: watcher)
        #expect(changes.peers.first?.report.agent == "bEvil/b 1.0/2 with much more of it than an")
    }

    @Test func aPeerWhoseAncestorMovedIsToldItsDepth() throws {
        var harness = SignallingHarness()
        let tree = try harness.createTree("source")
        try harness.join("a", tree)
        harness.emit("a", "peer-tree[status]", ["depth": 1])
        #expect(harness.payloads("a", "peer-tree[place]").isEmpty)
        harness.emit("a", "peer-tree[status]", ["depth": 3])
        #expect(harness.payloads("a", "peer-tree[place]") == [["depth": 1]])
    }
}
