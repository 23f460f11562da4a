import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Blame", .timeLimit(.minutes(5)))
struct TrackerBlameTests {
    /// A parent under the source with four children, all of which may vote.
    private struct Family {
        var harness: TrackerHarness
        let parent: PeerHandle
        let children: [PeerHandle]

        init(_ configure: (inout TrackerOptions) -> Void = { _ in }) throws {
            harness = try TrackerHarness(k: 4, k1: 1, configure)
            parent = try harness.join(origin: 1)
            var children: [PeerHandle] = []
            for number in 0..<4 { children.append(try harness.join(origin: 100 + UInt64(number))) }
            self.children = children
            try harness.wait(.seconds(10))
        }

        var evictions: UInt64 { harness.tracker.statistics.evictions }
        var votes: UInt64 { harness.tracker.statistics.votes }
        func capacity() throws -> Int { try harness.tracker.capacity(of: parent) }

        /// A child complains, gets another parent, and is fed by it.
        mutating func complain(_ child: PeerHandle, _ reason: LossReason = .notForwarding) throws {
            try harness.orphan(child, reason)
            try harness.attachAll()
        }

        /// Brings somebody under the parent, and waits until that one has a vote.
        mutating func newcomer(origin: UInt64) throws -> PeerHandle {
            // Nobody new comes to the parent as long as it is asked whether it is there.
            try harness.wait(.milliseconds(1_250))
            let peer = try harness.join(capacity: 0, origin: origin)
            try #require(try harness.parent(peer) == parent)
            try harness.wait(.seconds(10))
            return peer
        }
    }

    @Test("Two members make their parent a leaf; it has its slots back after 30 s, and its tokens are new both times")
    func eviction() throws {
        var family = try Family()
        try family.complain(family.children[0])
        #expect(family.evictions == 0)
        let outputs = try family.harness.orphan(family.children[1], .silent)
        #expect(family.evictions == 1)
        #expect(outputs.reason(for: family.parent) == .evicted)
        #expect(outputs.contains(.capacityChanged(peer: family.parent)))
        #expect(try family.capacity() == 0)
        try family.harness.attachAll()
        #expect(try family.harness.children(family.parent).isEmpty)
        try family.harness.wait(.milliseconds(29_999))
        #expect(try family.capacity() == 0)
        let end = try family.harness.wait(.milliseconds(1))
        #expect(end.contains(.capacityChanged(peer: family.parent)))
        #expect(try family.capacity() == 4)
    }

    @Test("A peer that is made a leaf feeds the children that did not complain until they have other parents")
    func evictionHolds() throws {
        var family = try Family()
        try family.complain(family.children[0])
        let outputs = try family.harness.orphan(family.children[1])
        for child in family.children[2...] {
            #expect(try family.harness.parent(child) != family.parent)
            #expect(try family.harness.tracker.previousParent(of: child) == family.parent)
            #expect(!outputs.contains(.childGone(parent: family.parent, child: child, stripe: 0)))
            let attached = try family.harness.handle(
                .attached(child, stripe: 0, epoch: try family.harness.tracker.assignment(of: child).epoch)
            )
            #expect(attached.contains(.childGone(parent: family.parent, child: child, stripe: 0)))
        }
    }

    @Test("Each further time as a leaf is twice as long")
    func doubling() throws {
        var harness = try TrackerHarness(k: 4, k1: 4)
        let bad = try harness.join(count: 4)[0]
        for seconds: UInt64 in [30, 60, 120] {
            var voters: [PeerHandle] = []
            var others: [PeerHandle] = []
            while voters.count < 2 {
                let newcomer = try harness.join(capacity: 0)
                if try harness.parent(newcomer) == bad { voters.append(newcomer) } else { others.append(newcomer) }
                try #require(others.count < 20)
            }
            for other in others { try harness.handle(.leave(other)) }
            try harness.wait(.seconds(10))
            for voter in voters { try harness.orphan(voter, .notForwarding) }
            try harness.attachAll()
            #expect(try harness.tracker.capacity(of: bad) == 0)
            for _ in 1..<seconds { try harness.wait(.seconds(1)) }
            try harness.wait(.milliseconds(999))
            #expect(try harness.tracker.capacity(of: bad) == 0, "after \(seconds) s")
            try harness.wait(.milliseconds(1))
            #expect(try harness.tracker.capacity(of: bad) == 4, "after \(seconds) s")
            for voter in voters { try harness.handle(.leave(voter)) }
        }
        #expect(harness.tracker.statistics.evictions == 3)
    }

    @Test("After a window without votes the next time as a leaf is a first one again, and none lasts for ever")
    func sentences() {
        var blame = Blame()
        let options = TrackerOptions()
        var now = Instant.zero + .seconds(10_000)
        var sentences: [Int] = []
        for _ in 0..<14 {
            sentences.append(blame.sentence(at: now, options))
            now = now + .seconds(1)
            blame.endEviction(at: now)
        }
        #expect(sentences == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_024, 1_024, 1_024])
        #expect(blame.sentence(at: now + .seconds(600), options) == 1)
    }

    @Test("The only peer with slots is not made a leaf: nobody would feed the others")
    func onlyRelay() throws {
        var harness = try TrackerHarness(k: 4, k1: 1)
        let relay = try harness.join()
        let children = try harness.join(count: 3, capacity: 0)
        try harness.wait(.seconds(10))
        for child in children {
            try harness.orphan(child, .notForwarding)
            try harness.attachAll()
        }
        #expect(harness.tracker.statistics.votes == 3)
        #expect(harness.tracker.statistics.evictions == 0)
        for child in children { #expect(try harness.parent(child) == relay) }
    }

    @Test("A complaint moves at once, but a member votes once in ten minutes, about whomever")
    func votesAreSpent() throws {
        var family = try Family()
        for _ in 0..<20 {
            let outputs = try family.harness.orphan(family.children[0], .notForwarding)
            #expect(outputs.reason(for: family.children[0]) == .parentLost)
            try family.harness.attachAll()
            try family.harness.wait(.seconds(20))
        }
        #expect(family.votes == 1)
        #expect(family.evictions == 0)
        try family.harness.wait(.seconds(201))
        try family.complain(family.children[0])
        #expect(family.votes == 2)
    }

    @Test("Who has been in the tree for less than ten seconds has no vote")
    func votingAge() throws {
        var family = try Family()
        try family.complain(family.children[0])
        try family.harness.wait(.milliseconds(1_250))
        let newcomer = try family.harness.join(capacity: 0, origin: 50)
        #expect(try family.harness.parent(newcomer) == family.parent)
        try family.harness.wait(.milliseconds(9_999))
        try family.complain(newcomer)
        #expect(family.votes == 1)
        #expect(family.evictions == 0)
    }

    @Test(
        "A leaver's spent vote passes to the next newcomer from its address, and to no other",
        arguments: [true, false]
    )
    func leaversVotes(isSameAddress: Bool) throws {
        var family = try Family()
        let first = family.children[0]
        try family.complain(first)
        try family.harness.handle(.leave(first))
        let second = try family.newcomer(origin: isSameAddress ? 100 : 101)
        try family.complain(second)
        #expect(family.votes == (isSameAddress ? 1 : 2))
        #expect(family.evictions == (isSameAddress ? 0 : 1))
    }

    @Test("Joining and leaving for an hour gives one address one vote in ten minutes")
    func oneAddress() throws {
        var family = try Family()
        let begin = family.harness.now
        while family.harness.now - begin < .seconds(3_600) {
            let liar = try family.harness.join(capacity: 0, origin: 7)
            try family.harness.wait(.seconds(10))
            try family.complain(liar)
            try family.harness.handle(.leave(liar))
        }
        #expect(family.votes <= 6)
        #expect(family.votes >= 5)
        #expect(family.evictions == 0 || family.votes >= 2)
    }

    @Test("Those who said that a peer was gone have their votes back when it has vanished, not when it left")
    func refunds() throws {
        for hasVanished in [true, false] {
            var family = try Family()
            try family.complain(family.children[0], .silent)
            if hasVanished {
                try family.harness.handle(.signallingLost(family.parent))
                try family.harness.wait(.seconds(15))
            } else {
                try family.harness.handle(.leave(family.parent))
            }
            try family.harness.attachAll()
            try family.harness.wait(.seconds(10))
            try family.complain(family.children[0])
            #expect(family.votes == (hasVanished ? 2 : 1))
        }
    }

    @Test("A report about a peer without a socket is no vote")
    func goneIsNoVote() throws {
        var family = try Family()
        try family.harness.handle(.signallingLost(family.parent))
        try family.harness.orphan(family.children[0])
        #expect(family.votes == 0)
        #expect(!family.harness.tracker.contains(family.parent))
    }

    @Test("Refusals and failed connections are no votes; three by different members keep newcomers away for 30 s")
    func refusals() throws {
        var harness = try TrackerHarness(k: 4, k1: 2)
        let peers = try harness.join(count: 2)
        try harness.wait(.seconds(10))
        for reason in [LossReason.refused, .unreachable, .refused] {
            #expect(harness.tracker.statistics.shuns == 0)
            let child = try harness.joinOnly(capacity: 0)
            #expect(try harness.parent(child) == peers[0] || harness.parent(child) == peers[1])
            if try harness.parent(child) == peers[1] { try harness.orphan(child, .closed) }
            try harness.orphan(child, reason)
            try harness.attachAll()
        }
        #expect(harness.tracker.statistics.votes == 0)
        #expect(harness.tracker.statistics.shuns == 1)
        let others = try harness.join(count: 6)
        #expect(try others.filter { try harness.parent($0) == peers[0] }.isEmpty)
        try harness.wait(.seconds(30))
        let later = try harness.join(count: 1)
        #expect(try harness.parent(later[0]) == peers[0])
    }

    @Test("Newcomers are placed under a peer that others could not reach rather than nowhere")
    func shunnedIsBetterThanNothing() throws {
        var harness = try TrackerHarness(k: 4, k1: 1)
        let only = try harness.join()
        let children = try harness.join(count: 3, capacity: 0)
        try harness.wait(.seconds(10))
        for child in children { try harness.orphan(child, .unreachable) }
        #expect(harness.tracker.statistics.shuns == 1)
        let next = try harness.joinOnly(capacity: 1)
        #expect(try harness.parent(next) == only)
    }

    @Test("A peer that has only just come and refuses is not ready yet, and not held to it")
    func notYet() throws {
        var harness = try TrackerHarness(k: 4, k1: 1)
        _ = try harness.join()
        let children = try harness.join(count: 3, capacity: 0)
        for child in children { try harness.orphan(child, .refused) }
        #expect(harness.tracker.statistics.shuns == 0)
        #expect(harness.tracker.statistics.votes == 0)
    }

    @Test("A parent that takes children and sheds them again gets no newcomers for a while")
    func shedding() throws {
        var harness = try TrackerHarness(k: 4, k1: 4)
        let peers = try harness.join(count: 12)
        let shedder = peers[0]
        var lost = 0
        while harness.tracker.statistics.shuns == 0 {
            let child = try harness.children(shedder).first ?? harness.join()
            guard try harness.parent(child) == shedder else { continue }
            try harness.handle(.childLost(shedder, child: child, stripe: 0))
            try harness.attachAll()
            lost += 1
            try #require(lost < 20)
        }
        #expect(lost == 9)
        #expect(harness.tracker.statistics.evictions == 0)
        let newcomer = try harness.join()
        #expect(try harness.parent(newcomer) != shedder)
    }

    @Test("A peer that was moved is not blamed until 3 s after its new parent feeds it, twice in a window")
    func excuses() throws {
        var harness = try TrackerHarness(k: 8, k1: 2) { $0.maximumMovesInFlight = 0 }
        let tops = try harness.join(count: 2)
        try harness.wait(.seconds(10))
        let moved = tops[0]
        var children: [PeerHandle] = []
        while children.count < 5 {
            let child = try harness.join(capacity: 0)
            if try harness.parent(child) == moved { children.append(child) }
        }
        try harness.wait(.seconds(10))
        var votes: [UInt64] = []
        for child in children.prefix(3) {
            try harness.orphan(moved, .closed)
            try harness.attach(moved)
            try harness.wait(.milliseconds(2_999))
            try harness.orphan(child)
            try harness.attachAll()
            votes.append(harness.tracker.statistics.votes)
        }
        #expect(votes == [0, 0, 1])
        try harness.wait(.milliseconds(1))
        try harness.orphan(children[3])
        #expect(harness.tracker.statistics.votes == 2)
    }

    @Test("Nobody is blamed for what reaches nobody below a peer that was just moved")
    func excusesBelow() throws {
        var harness = try TrackerHarness(k: 2, k1: 2) { $0.maximumMovesInFlight = 0 }
        let peers = try harness.join(count: 14)
        try harness.wait(.seconds(10))
        let moved = peers[0]
        let between = try #require(try harness.children(moved).first { try !harness.children($0).isEmpty })
        let child = try #require(try harness.children(between).first)
        try harness.orphan(moved, .closed)
        try harness.orphan(child)
        #expect(harness.tracker.statistics.votes == 0)
    }

    @Test("The source is never made a leaf, and votes against it are spent")
    func sourceStays() throws {
        var harness = try TrackerHarness(k1: 4)
        let children = try harness.join(count: 4)
        try harness.wait(.seconds(10))
        for child in children {
            try harness.orphan(child, .notForwarding)
            try harness.attachAll()
        }
        #expect(harness.tracker.isLive(harness.tree))
        #expect(try harness.tracker.capacity(of: harness.source) == 4)
        #expect(harness.tracker.statistics.votes == 4)
        #expect(harness.tracker.statistics.evictions == 0)
    }

    @Test("A parent that closes, or cuts off a slow child, is not voted out", arguments: [LossReason.closed, .slow])
    func harmlessReasons(reason: LossReason) throws {
        var family = try Family()
        for child in family.children { try family.complain(child, reason) }
        #expect(family.votes == 0)
    }

    @Test(
        "Colluding members make leaves of half as many peers in ten minutes as they are, whatever they do",
        arguments: [1, 2, 3, 4] as [UInt64]
    )
    func collusion(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var harness = try TrackerHarness(k: 4, k1: 4)
        _ = try harness.join(count: 40)
        try harness.wait(.seconds(10))
        var liars: [(peer: PeerHandle, origin: UInt64)] = []
        for origin in 0..<10 as Range<UInt64> {
            liars.append((try harness.join(capacity: 0, origin: origin), origin))
        }
        let begin = harness.now
        while harness.now - begin < .seconds(590) {
            try harness.wait(.milliseconds(UInt64.random(in: 100...4_000, using: &random)))
            let index = Int.random(in: liars.indices, using: &random)
            if Int.random(in: 0..<4, using: &random) == 0 {
                try harness.handle(.leave(liars[index].peer))
                liars[index].peer = try harness.join(capacity: 0, origin: liars[index].origin)
            } else {
                try harness.orphan(liars[index].peer, Bool.random(using: &random) ? .silent : .notForwarding)
            }
            try harness.attachAll()
        }
        #expect(harness.tracker.statistics.votes >= 8, "seed \(seed): the test tries too little")
        #expect(harness.tracker.statistics.votes <= 10, "seed \(seed)")
        #expect(harness.tracker.statistics.evictions <= 5, "seed \(seed)")
    }
}
