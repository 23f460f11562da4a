import JSON
import PeerTreeCore
import TestSupport

@testable import PeerTreeSignalling

/// Clients that connect, discover, offer, report and vanish at random.
struct RandomClients {
    private var random: SeededGenerator
    private var nextID = 0
    private var tokens: [String] = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed &+ 100)
    }

    mutating func act(on harness: inout SignallingHarness) {
        let ids = harness.service.clients.keys.sorted()
        guard ids.count > 5, let id = ids.randomElement(using: &random) else {
            nextID += 1
            harness.connect("c\(nextID)")
            return
        }
        let other = ids.randomElement(using: &random) ?? id
        let tree = harness.service.trees.values.map(\.id).sorted().randomElement(using: &random) ?? "none"
        let target = (try? parent(of: id, harness)) ?? other
        let session = "s\(Int.random(in: 0..<10, using: &random))"
        switch Int.random(in: 0..<20, using: &random) {
        case 0, 1:
            nextID += 1
            harness.connect("c\(nextID)")
        case 2: harness.handle(.disconnected(id: id))
        case 3 where harness.service.treeCount < 3:
            let native: JSONValue =
                harness.service.treeCount % 2 == 0 ? ["v": 2] : ["v": 2, "stripes": 3, "parity": 1]
            harness.emit(id, "simple-signal[discover]", ["createNew": true, "peerTree": native])
        case 3...6:
            harness.emit(id, "simple-signal[discover]", ["treeID": .string(tree), "peerTree": ["v": 2]])
            if let token = harness.resumeToken(id) { tokens.append(token) }
        case 7: harness.emit(id, "simple-signal[discover]", ["treeID": .string(tree)])
        case 8:
            let token = tokens.suffix(10).randomElement(using: &random) ?? ""
            harness.emit(id, "simple-signal[discover]", ["peerTree": ["v": 2, "resume": .string(token)]])
        case 9...12: harness.offer(id, to: target, session: session)
        case 13:
            let answer: JSONValue = [
                "signal": ["type": "answer"], "sessionId": .string(session), "target": .string(other),
            ]
            harness.emit(id, "simple-signal[signal]", answer)
        case 14: harness.emit(id, "simple-signal[reject]", ["sessionId": .string(session), "target": .string(target)])
        case 15, 16: report("peer-tree[attached]", id, &harness)
        case 17: report("peer-tree[orphaned]", id, &harness)
        case 18: harness.emit(id, "peer-tree[child-lost]", ["id": .string(other)])
        default: harness.emit(id, "peer-tree[leave]", [:])
        }
    }

    private func parent(of id: String, _ harness: SignallingHarness) throws -> String? {
        guard let peer = harness.service.memberIDs[id] else { return nil }
        return try harness.service.tracker.parent(of: peer).flatMap { harness.service.members[$0]?.id }
    }

    private func report(_ event: String, _ id: String, _ harness: inout SignallingHarness) {
        guard let peer = harness.service.memberIDs[id],
            let assignment = try? harness.service.tracker.assignment(of: peer)
        else { return }
        harness.emit(id, event, ["stripe": 0, "epoch": JSONValue(assignment.epoch), "reason": "silent"])
    }
}
