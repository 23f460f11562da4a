import PeerTreeCore
import Testing

@testable import PeerTreeCluster

@Suite("A lease and its certainty", .timeLimit(.minutes(1)))
struct LeaseKeeperTests {
    private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func granted() throws -> LeaseKeeper {
        var keeper = LeaseKeeper(seconds: 5, at: at(0))
        let next = keeper.nextCall(at: at(0))
        let (call, request) = try #require(next)
        #expect(request == .grantLease(seconds: 5))
        let change = keeper.answered(call, .success(.granted(lease: 7, seconds: 5)), at: at(900))
        #expect(change == .granted)
        return keeper
    }

    @Test("It is certain from the sending of what etcd acknowledged, for as long as the lease lives")
    func certainty() throws {
        var keeper = try granted()
        #expect(keeper.isCertain(at: at(4_999)))
        #expect(!keeper.isCertain(at: at(5_000)))
        let next = keeper.nextCall(at: at(1_700))
        let (call, request) = try #require(next)
        #expect(request == .keepAlive(lease: 7))
        let change = keeper.answered(call, .success(.keptAlive(seconds: 5)), at: at(4_000))
        #expect(change == nil)
        #expect(keeper.isCertain(at: at(6_699)))
        #expect(!keeper.isCertain(at: at(6_700)))
    }

    @Test("An answer of 0 seconds is a loss, and a new lease is asked for at once")
    func lost() throws {
        var keeper = try granted()
        let next = keeper.nextCall(at: at(1_700))
        let (call, _) = try #require(next)
        let change = keeper.answered(call, .success(.keptAlive(seconds: 0)), at: at(1_800))
        #expect(change == .lost)
        #expect(!keeper.isCertain(at: at(1_800)))
        let last = keeper.nextCall(at: at(1_800))
        #expect(last?.1 == .grantLease(seconds: 5))
    }

    @Test("A keep-alive without an answer is tried again soon, and takes nothing away before its time")
    func failed() throws {
        var keeper = try granted()
        let next = keeper.nextCall(at: at(1_700))
        let (call, _) = try #require(next)
        let change = keeper.answered(call, .failure(EtcdError(.timedOut, "late")), at: at(2_700))
        #expect(change == nil)
        #expect(keeper.isCertain(at: at(4_999)))
        let early = keeper.nextCall(at: at(2_949))
        #expect(early?.1 == nil)
        let last = keeper.nextCall(at: at(2_950))
        #expect(last?.1 == .keepAlive(lease: 7))
    }
}
