import PeerTreeCluster
import PeerTreeSignalling
import TestSupport
import Testing

@Suite("Slots at a real etcd", .serialized, .timeLimit(.minutes(3)))
struct RealOwnershipTests {
    private func node(_ name: String, _ run: UInt64, _ client: EtcdClient) throws -> SlotOwnershipDriver {
        var options = OwnershipOptions()
        options.leaseSeconds = 2
        let id = try #require(NodeID(name: name, run: run))
        let record = try #require(NodeRecord(id: id, address: "127.0.0.1:1"))
        return SlotOwnershipDriver(record, client, options: options) { _ in }
    }

    private func count(_ nodes: SlotOwnershipDriver...) async -> Int {
        var count = 0
        for node in nodes { count += await node.held.count }
        return count
    }

    @Test("Two nodes own all slots between them; when one is gone, the other owns them all")
    func twoNodes() async throws {
        let cluster = try await EtcdCluster(1)
        try await cluster.withClient { client in
            let (one, other) = (try node("a", 1, client), try node("b", 2, client))
            await one.start()
            await other.start()
            try await eventually { await count(one, other) == Slot.count }
            for slot in await one.held.keys { #expect(await other.held[slot] == nil) }
            await other.stop()
            try await eventually { await count(one) == Slot.count }
            for slot in Slot.inOrder { try await eventually { await one.isConfirmed(slot) } }
            await one.stop()
        }
    }

    @Test("etcd is wiped under an owner: it owns its slots again, in higher terms")
    func wiped() async throws {
        let cluster = try await EtcdCluster(1)
        try await cluster.withClient { client in
            let node = try node("a", 1, client)
            await node.start()
            try await eventually { await count(node) == Slot.count }
            let before = await node.held
            cluster.members[0].kill()
            try cluster.members[0].wipe()
            try cluster.members[0].start()
            for slot in Slot.inOrder {
                try await eventually {
                    guard let term = await node.held[slot], let old = before[slot] else { return false }
                    let isConfirmed = await node.isConfirmed(slot)
                    return term > old && isConfirmed
                }
            }
            await node.stop()
        }
    }
}
