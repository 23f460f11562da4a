import TestSupport
import Testing

@testable import PeerTreeCore

/// Who gets which standby, keeps it and turns to it.
@Suite("The tracker's standbys", .timeLimit(.minutes(5)))
struct TrackerStandbyTests {
    @Test("Everybody that is attached gets a standby outside the subtree of its parent, admitted before it is named")
    func everybodyHasOne() throws {
        var harness = try TrackerHarness(k: 3, k1: 4)
        let peers = try harness.join(count: 300)
        for peer in peers {
            let standby = try #require(try harness.tracker.standby(of: peer), "\(peer)")
            let parent = try #require(try harness.parent(peer))
            #expect(standby != parent)
            let isGrandparent = try standby == harness.parent(parent)
            #expect(try isGrandparent || !isBelow(parent.isSource ? peer : parent, standby, harness))
            let admission = try #require(
                harness.outputs.lastIndex(of: .admitWard(standby: standby, ward: peer))
            )
            let word = try #require(harness.outputs.lastIndex(of: .standby(peer: peer, standby: standby)))
            #expect(admission < word)
        }
        for peer in peers {
            #expect(harness.tracker.trees[0].standbys.wardCount(of: Int32(peer.index)) <= 6)
        }
        #expect(try harness.tracker.standby(of: harness.source) == nil)
    }

    private func isBelow(_ ancestor: PeerHandle, _ peer: PeerHandle, _ harness: TrackerHarness) throws -> Bool {
        var current: PeerHandle? = peer
        while let here = current {
            if here == ancestor { return true }
            current = try harness.parent(here)
        }
        return false
    }

    @Test("In a chain the grandparent stands by, and whoever lacks one gets it as soon as there is one")
    func chain() throws {
        var harness = try TrackerHarness(k: 1, k1: 1)
        let peers = try harness.join(count: 4)
        #expect(try harness.tracker.standby(of: peers[0]) == nil)
        #expect(try harness.tracker.standby(of: peers[1]) == harness.source)
        #expect(try harness.tracker.standby(of: peers[3]) == peers[1])

        var pair = try TrackerHarness(k: 2, k1: 2)
        let first = try pair.join()
        #expect(try pair.tracker.standby(of: first) == nil)
        let second = try pair.join()
        #expect(try pair.tracker.standby(of: first) == second)
        #expect(try pair.tracker.standby(of: second) == first)
    }

    @Test("Neither original clients, nor peers that take no children, nor trees of several stripes have part in it")
    func excluded() throws {
        var harness = try TrackerHarness(k: 2, k1: 3)
        let original = try harness.join(isNative: false)
        let leaf = try harness.join(capacity: 0)
        let peer = try harness.join()
        #expect(try harness.tracker.standby(of: original) == nil)
        #expect(try harness.tracker.standby(of: leaf) == peer)
        #expect(try harness.tracker.standby(of: peer) == nil)

        var striped = try TrackerHarness(k: 2, k1: 4, stripes: 2)
        let peers = try striped.join(count: 12)
        for peer in peers { #expect(try striped.tracker.standby(of: peer) == nil) }
    }

    @Test("A standby that goes is replaced, and the former one is told who is no ward any more")
    func standbyGoes() throws {
        var harness = try TrackerHarness(k: 2, k1: 3)
        let peers = try harness.join(count: 9)
        let ward = peers[8]
        let standby = try #require(try harness.tracker.standby(of: ward))
        let outputs = try harness.handle(.leave(standby))
        let gone = try #require(outputs.firstIndex(of: .standby(peer: ward, standby: nil)))
        #expect(outputs.contains(.wardGone(standby: standby, ward: ward)))
        try harness.attachAll()
        let other = try #require(try harness.tracker.standby(of: ward))
        #expect(other != standby)
        #expect(harness.outputs.lastIndex(of: .standby(peer: ward, standby: other)) ?? 0 > gone)
    }

    @Test("A peer that turned to its standby stays there if there is a slot, under a new epoch")
    func promotion() throws {
        var harness = try TrackerHarness(k: 2, k1: 3)
        let peers = try harness.join(count: 5)
        let ward = peers[4]
        let parent = try #require(try harness.parent(ward))
        let standby = try #require(try harness.tracker.standby(of: ward))
        let outputs = try promote(ward, to: standby, &harness)
        let assignment = try #require(outputs.assignment(of: ward))
        #expect(assignment.parent == standby)
        #expect(assignment.epoch == 2)
        #expect(outputs.contains(.childGone(parent: parent, child: ward, stripe: 0)))
        #expect(!outputs.contains(.wardGone(standby: standby, ward: ward)), "the parent it is now must not cut it off")
        #expect(try harness.tracker.standby(of: ward) == nil)
        try harness.attach(ward)
        #expect(try harness.tracker.standby(of: ward) != nil)
    }

    private func promote(
        _ ward: PeerHandle,
        to standby: PeerHandle,
        _ harness: inout TrackerHarness
    ) throws -> [TrackerOutput] {
        let epoch = try harness.tracker.assignment(of: ward).epoch
        return try harness.handle(.promoted(ward, stripe: 0, epoch: epoch, reason: .silent, standby: standby))
    }

    @Test("Where the standby has no slot, or is another peer, the place is another; the standby stays one")
    func promotionElsewhere() throws {
        var harness = try TrackerHarness(k: 1, k1: 3)
        let peers = try harness.join(count: 6)
        let ward = peers[3]
        let standby = try #require(try harness.tracker.standby(of: ward))
        #expect(try harness.children(standby).count == 1)
        let outputs = try promote(ward, to: standby, &harness)
        #expect(outputs.assignment(of: ward)?.parent != standby)
        #expect(outputs.assignment(of: ward)?.parent != nil)
        #expect(try harness.tracker.standby(of: ward) == standby)

        let stranger = try #require(peers.first { $0 != ward && $0 != standby })
        let again = try promote(ward, to: stranger, &harness)
        #expect(again.assignment(of: ward)?.parent != nil)
    }

    @Test("Two that stand by for each other do not end up in a circle")
    func circle() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let (first, second) = (try harness.join(), try harness.join())
        #expect(try promote(first, to: second, &harness).assignment(of: first)?.parent == second)
        let outputs = try promote(second, to: first, &harness)
        #expect(outputs.assignment(of: second)?.parent == harness.source)
        #expect(TreeInvariants.violations(in: harness.tracker).isEmpty)
    }

    @Test("A standby that comes to hang below its ward is revoked")
    func standbyBelow() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let (first, second) = (try harness.join(), try harness.join())
        let outputs = try promote(first, to: second, &harness)
        #expect(outputs.contains(.standby(peer: second, standby: nil)))
        #expect(outputs.contains(.wardGone(standby: first, ward: second)))
    }

    @Test("A peer whose socket is back hears of its standby and of its wards once more")
    func resumed() throws {
        var harness = try TrackerHarness(k: 2, k1: 2)
        let (first, second) = (try harness.join(), try harness.join())
        try harness.handle(.signallingLost(first))
        #expect(try harness.tracker.standby(of: second) == first, "its stream may be fine")
        let outputs = try harness.handle(.signallingResumed(first))
        #expect(outputs.contains(.admitWard(standby: second, ward: first)))
        #expect(outputs.contains(.standby(peer: first, standby: second)))
        #expect(outputs.contains(.admitWard(standby: first, ward: second)))
    }
}
