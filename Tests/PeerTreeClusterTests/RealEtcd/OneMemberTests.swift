import NIOConcurrencyHelpers
import PeerTreeCluster
import TestSupport
import Testing

@Suite("etcd, one member", .serialized, .timeLimit(.minutes(2)))
struct OneMemberTests {
    @Test("A key is written once by whoever comes first, and read back under its lease")
    func claim() async throws {
        let cluster = try await EtcdCluster(1)
        try await cluster.withClient { client in
            guard case .granted(let lease, seconds: 60) = try await client.ask(.grantLease(seconds: 60)) else {
                Issue.record("no lease of 60 s")
                return
            }
            let key = Array("/t/slots/0001".utf8)
            let claim = EtcdTransaction(
                if: [.createRevision(key, 0)],
                put: [EtcdPut(key: key, value: Array("a".utf8), lease: lease)],
                otherwiseRead: [key]
            )
            guard case .transaction(let first) = try await client.ask(.transaction(claim)) else { return }
            #expect(first.succeeded)
            guard case .transaction(let second) = try await client.ask(.transaction(claim)) else { return }
            #expect(!second.succeeded)
            let kept = EtcdKeyValue(
                key: key,
                value: Array("a".utf8),
                createRevision: first.revision,
                modRevision: first.revision,
                lease: lease
            )
            #expect(second.read == [kept])
            #expect(try await client.ask(.keepAlive(lease: lease)) == .keptAlive(seconds: 60))
            #expect(try await client.ask(.revokeLease(lease)) == .revoked)
            #expect(try await client.ask(.keepAlive(lease: lease)) == .keptAlive(seconds: 0))
            guard case .range(let range) = try await client.ask(.range(EtcdRange(key: key))) else { return }
            #expect(range.keys.isEmpty)
        }
    }

    @Test("A watch whose revision is compacted meanwhile goes on behind a list")
    func compacted() async throws {
        let cluster = try await EtcdCluster(1)
        try await cluster.withClient { client in
            try await client.put("/t/a", "1")
            let mirror = await MirrorLog(client)
            try await mirror.until("/t/a", is: "1")
            cluster.members[0].kill()
            try cluster.members[0].start()
            try await cluster.untilAnswered(by: 0)
            for value in 2...9 { try await client.putUntilDone("/t/a", "\(value)") }
            guard case .put(let revision) = try await client.ask(.put(EtcdPut(key: Array("/t/b".utf8), value: [])))
            else { return }
            try await cluster.compact(revision)
            try await mirror.until("/t/a", is: "9")
            try await mirror.until("/t/b", is: "")
            await mirror.stop()
        }
    }

    @Test("A watch from a revision that is compacted says so, and from which revision on all is kept")
    func watchOfCompacted() async throws {
        let cluster = try await EtcdCluster(1)
        try await cluster.withClient { client in
            for value in 1...5 { try await client.put("/t/a", "\(value)") }
            try await cluster.compact(4)
            let messages = NIOLockedValueBox<[EtcdWatchMessage]>([])
            let watch = EtcdWatch(prefix: Array("/t/".utf8), from: 2)
            try? await client.watch(watch) { message in messages.withLockedValue { $0.append(message) } }
            #expect(messages.withLockedValue { $0.last } == .compacted(compactRevision: 4))
        }
    }

    @Test("etcd is wiped: the mirror says that it went back, and holds what is there now")
    func wiped() async throws {
        let cluster = try await EtcdCluster(1)
        try await cluster.withClient { client in
            for value in 1...9 { try await client.put("/t/a", "\(value)") }
            let mirror = await MirrorLog(client)
            try await mirror.until("/t/a", is: "9")
            cluster.members[0].kill()
            try cluster.members[0].wipe()
            try cluster.members[0].start()
            try await cluster.untilAnswered(by: 0)
            try await client.putUntilDone("/t/b", "1")
            try await mirror.until("/t/a", is: nil)
            try await mirror.until("/t/b", is: "1")
            #expect(mirror.count { $0 == .wentBack } == 1)
            await mirror.stop()
        }
    }

    @Test("Names are asked for, not asked for, and asked for anew: the client authenticates when it must")
    func authentication() async throws {
        let cluster = try await EtcdCluster(1)
        try await cluster.withClient(user: EtcdUser(name: "root", password: "good")) { client in
            try await client.put("/t/a", "1")
            try await cluster.switchAuthenticationOn(password: "good")
            try await client.put("/t/a", "2")
            let mirror = await MirrorLog(client)
            try await mirror.until("/t/a", is: "2")
            try await client.put("/t/a", "3")
            try await mirror.until("/t/a", is: "3")
            // A restart voids the tokens that were given out.
            cluster.members[0].kill()
            try cluster.members[0].start()
            try await client.putUntilDone("/t/a", "4")
            try await mirror.until("/t/a", is: "4")
            await mirror.stop()
            for user in [nil, EtcdUser(name: "root", password: "bad")] {
                await #expect {
                    try await cluster.withClient(user: user) { try await $0.put("/t/a", "5") }
                } throws: { error in
                    (error as? EtcdError)?.isAmbiguous == false
                }
            }
            try await cluster.switchAuthenticationOff(password: "good")
            try await client.put("/t/a", "6")
        }
    }

    @Test("A full etcd refuses to write, says why, and goes on answering")
    func noSpace() async throws {
        // 2 MB, of which a little is used from the start.
        let cluster = try await EtcdCluster(1, options: ["--quota-backend-bytes", "\(2 << 20)"])
        try await cluster.withClient { client in
            guard case .granted(let lease, _) = try await client.ask(.grantLease(seconds: 60)) else { return }
            let value = [UInt8](repeating: 7, count: 60_000)
            await #expect {
                for number in 0..<1_000 {
                    _ = try await client.ask(.put(EtcdPut(key: Array("/t/\(number)".utf8), value: value)))
                }
            } throws: { error in
                guard let error = error as? EtcdError else { return false }
                return error.code == .refused(status: 8) && !error.isAmbiguous
                    && error.message.contains("space exceeded")
            }
            #expect(try await client.ask(.keepAlive(lease: lease)) == .keptAlive(seconds: 60))
            guard case .range(let range) = try await client.ask(.range(EtcdRange(key: Array("/t/0".utf8)))) else {
                return
            }
            #expect(range.keys.first?.value == value)
        }
    }

    @Test("Where nobody listens, a call ends within its limit")
    func nobody() async throws {
        let port = try await freePorts(1)[0]
        let client = try EtcdClient(EtcdOptions(endpoints: [EtcdEndpoint("http://127.0.0.1:\(port)")]))
        await #expect(throws: EtcdError.self) { try await client.ask(.grantLease(seconds: 5)) }
        try await client.shutdown()
    }
}
