import JSON
import PeerTreeCore
import PeerTreeSignalling
import SwiftProtobuf
import TestSupport
import Testing

@testable import PeerTreeSignallingWire

@Suite("What is known of a slot, written and read", .timeLimit(.minutes(2)))
struct SlotSnapshotTests {
    private let options = SignallingOptions()

    private func peer(_ parent: Int?) -> TreeSnapshot.Peer {
        TreeSnapshot.Peer(
            isNative: true,
            origin: 7,
            age: .milliseconds(1_500),
            signalling: .connected,
            standby: nil,
            eviction: TreeSnapshot.Eviction(stripe: 0, capacity: 3, rounds: 2),
            places: [TreeSnapshot.Place(capacity: 4, parent: parent, holder: parent, epoch: 9, isAttached: true)]
        )
    }

    private func makeSnapshot(members: Int) -> SlotSnapshot {
        var snapshot = SlotSnapshot()
        var shape = TreeSnapshot(layout: .single, peers: [peer(nil)])
        shape.peers += (1..<members).map { peer(($0 - 1) / 4) }
        var tree = SlotSnapshot.Tree(
            id: "tree",
            isEncrypted: true,
            key: nil,
            origin: 1,
            activity: TreeActivity(),
            shape: shape
        )
        tree.members = (0..<members).map { number in
            var member = SlotSnapshot.Member(
                gateway: number % 3 == 0 ? nil : number % 3,
                ids: ["socket \(number)"],
                number: UInt64(number + 1),
                tokenExpiry: 5,
                statusInterval: 2.5,
                report: PeerReport(rate: 1, lag: nil, roundTrip: 2, agent: "Test 1")
            )
            member.sessions = [SlotSnapshot.Session(id: "s\(number)", other: 0, otherID: "a", ownID: "b")]
            return member
        }
        snapshot.trees = [tree, tree]
        return snapshot
    }

    private func read(_ parts: [[UInt8]]) throws -> SlotSnapshot {
        var snapshot = SlotSnapshot()
        for part in parts { try snapshot.add(written: part, options: options) }
        return snapshot
    }

    @Test("It comes back as it was, however many parts it takes", arguments: [1, 499, 500, 501, 1_234])
    func comesBack(members: Int) throws {
        var snapshot = makeSnapshot(members: members)
        snapshot.letters = (0..<9).map { SlotSnapshot.Letter(.goingAway, gateway: $0) }
        #expect(try read(snapshot.written()) == snapshot)
    }

    @Test("No part is longer than a link takes, whatever was said while the slot was frozen")
    func partsAreShort() throws {
        var snapshot = SlotSnapshot()
        let signal: JSONValue = ["sdp": .string(String(repeating: "x", count: 60_000))]
        let member = MemberSocket(tree: "tree", number: 1, socket: "socket")
        snapshot.letters = (0..<300).map { SlotSnapshot.Letter(.event(member, .signal, signal), gateway: $0 % 2) }
        let parts = snapshot.written()
        #expect(parts.allSatisfy { $0.count < 1 << 20 })
        #expect(try read(parts) == snapshot)
    }

    @Test("Members without a tree, and damaged parts, are refused or are parts", arguments: 0..<20)
    func damaged(seed: UInt64) throws {
        var mutations = Mutations(seed: seed)
        let parts = makeSnapshot(members: 30).written()
        var headless = WrittenSnapshotPart()
        headless.trees = [WrittenSnapshotTree.with { $0.members = [WrittenSnapshotMember()] }]
        #expect(throws: WrittenFormError.self) { _ = try read([bytes(of: headless)]) }
        for _ in 0..<100 {
            var part = parts[0]
            mutations.mutate(&part, with: parts[1])
            guard let read = try? read([part]) else { continue }
            // What can be read can be given to a tracker, which takes it or does not.
            var tracker = Tracker()
            for tree in read.trees { _ = try? tracker.adopt(tree.shape, at: .zero) }
        }
    }
}
