import PeerTreeCluster
import TestSupport
import Testing

@Suite("etcd, three members", .serialized, .timeLimit(.minutes(3)))
struct ThreeMembersTests {
    @Test("The leader is killed: writes go on with the others, and the watch with them")
    func leaderKilled() async throws {
        let cluster = try await EtcdCluster(3)
        try await cluster.withClient { client in
            let mirror = await MirrorLog(client)
            try await client.putUntilDone("/t/a", "1")
            try await mirror.until("/t/a", is: "1")
            cluster.members[try await cluster.leader()].kill()
            try await client.putUntilDone("/t/a", "2")
            try await mirror.until("/t/a", is: "2")
            await mirror.stop()
        }
    }

    @Test("A member that stands still is left for another")
    func memberStopped() async throws {
        let cluster = try await EtcdCluster(3)
        let follower = try await cluster.leader() == 0 ? 1 : 0
        // It is the first that is asked.
        let others = cluster.members.indices.filter { $0 != follower }
        try await cluster.withClient(of: [follower] + others) { client in
            let mirror = await MirrorLog(client)
            try await client.putUntilDone("/t/a", "1")
            try await mirror.until("/t/a", is: "1")
            cluster.members[follower].stop()
            // The first of these ends with no answer, in time, and is asked nowhere else: it might happen twice.
            try await client.putUntilDone("/t/a", "2")
            try await client.putUntilDone("/t/a", "3")
            try await mirror.until("/t/a", is: "3")
            cluster.members[follower].goOn()
            await mirror.stop()
        }
    }

    @Test("Two of three are gone: a call ends within its limit, and works when they are back")
    func quorumLost() async throws {
        let cluster = try await EtcdCluster(3)
        try await cluster.withClient { client in
            try await client.putUntilDone("/t/a", "1")
            for member in cluster.members[1...] { member.kill() }
            await #expect(throws: EtcdError.self) { try await client.ask(.range(EtcdRange(key: Array("/t/a".utf8)))) }
            for member in cluster.members[1...] { try member.start() }
            try await client.putUntilDone("/t/a", "2")
        }
    }
}
