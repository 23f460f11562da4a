import PeerTreeCore
package import PeerTreeSignalling
import SwiftProtobuf

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension SlotSnapshot {
    /// Members in one part: what a few milliseconds are enough to write or read.
    private static let membersInPart = 500
    /// From how many bytes on the next letter goes into another part. One alone may be longer.
    private static let fullPart = 256 << 10

    /// The snapshot without its gateways, as it goes to another node, in parts whose order matters.
    package func written() -> [[UInt8]] {
        var parts: [[UInt8]] = []
        for tree in trees {
            for start in stride(from: 0, to: max(1, tree.members.count), by: Self.membersInPart) {
                var written = start == 0 ? WrittenSnapshotTree(tree) : WrittenSnapshotTree()
                let end = min(start + Self.membersInPart, tree.members.count)
                written.members = (start..<end).map { WrittenSnapshotMember(tree.members[$0], tree.shape.peers[$0]) }
                parts.append(bytes(of: WrittenSnapshotPart.with { $0.trees = [written] }))
            }
        }
        var part = WrittenSnapshotPart()
        var byteCount = 0
        for letter in letters {
            part.letters.append(WrittenSnapshotLetter(letter))
            byteCount += part.letters.last?.message.count ?? 0
            guard byteCount >= Self.fullPart else { continue }
            parts.append(bytes(of: part))
            (part, byteCount) = (WrittenSnapshotPart(), 0)
        }
        return part.letters.isEmpty ? parts : parts + [bytes(of: part)]
    }

    /// Adds what the next part says. Whether trees can be as they are said to be, the tracker finds out.
    package mutating func add(written bytes: [UInt8], options: SignallingOptions) throws(WrittenFormError) {
        let reader = WrittenReader(options: options)
        let part = try reader.message(WrittenSnapshotPart.self, bytes, limit: .max)
        for tree in part.trees { try add(tree, reader) }
        for letter in part.letters {
            let message = try ToTree(written: Array(letter.message), options: options)
            letters.append(Letter(message, gateway: try reader.integer(letter.gateway, "SnapshotLetter.gateway")))
        }
    }

    private mutating func add(_ written: WrittenSnapshotTree, _ reader: WrittenReader) throws(WrittenFormError) {
        if written.hasID { trees.append(try Tree(written, reader)) }
        guard !trees.isEmpty else { throw reader.bad("SnapshotTree.id", "there, for it is the first") }
        for member in written.members {
            trees[trees.count - 1].shape.peers.append(try TreeSnapshot.Peer(member, reader))
            trees[trees.count - 1].members.append(try Member(member, reader))
        }
    }
}

// MARK: Trees

extension WrittenSnapshotTree {
    init(_ tree: SlotSnapshot.Tree) {
        self.init()
        id = tree.id
        isEncrypted = tree.isEncrypted
        if let key = tree.key { self.key = Data(key.bytes) }
        if let origin = tree.origin { self.origin = UInt32(clamping: origin) }
        stripes = UInt32(clamping: tree.shape.layout.stripes)
        parity = UInt32(clamping: tree.shape.layout.parity)
        activity = WrittenTreeActivity(tree.activity)
    }
}

extension SlotSnapshot.Tree {
    init(_ written: WrittenSnapshotTree, _ reader: WrittenReader) throws(WrittenFormError) {
        let stripes = try reader.integer(written.stripes, "SnapshotTree.stripes", upTo: StripeLayout.most)
        let layout = StripeLayout(stripes: stripes, parity: try reader.integer(written.parity, "SnapshotTree.parity"))
        self.init(
            id: try reader.givenName(written.id, "SnapshotTree.id"),
            isEncrypted: written.isEncrypted,
            key: written.hasKey ? SourceKey(Array(written.key)) : nil,
            origin: written.hasOrigin ? try reader.integer(written.origin, "SnapshotTree.origin") : nil,
            activity: TreeActivity(written.activity),
            shape: TreeSnapshot(layout: layout, peers: [])
        )
    }
}

extension WrittenSnapshotLetter {
    init(_ letter: SlotSnapshot.Letter) {
        self.init()
        gateway = UInt32(clamping: letter.gateway)
        message = Data(letter.message.written())
    }
}

// MARK: Members

extension WrittenSnapshotMember {
    init(_ member: SlotSnapshot.Member, _ peer: TreeSnapshot.Peer) {
        self.init()
        isNative = peer.isNative
        if let origin = peer.origin { self.origin = origin }
        age = peer.age.nanoseconds / 1_000_000
        isLost = peer.signalling != .connected
        if let standby = peer.standby { self.standby = UInt32(clamping: standby) }
        if let eviction = peer.eviction { self.eviction = WrittenSnapshotEviction(eviction) }
        places = peer.places.map { WrittenSnapshotPlace($0) }
        if let gateway = member.gateway { self.gateway = UInt32(clamping: gateway) }
        ids = member.ids
        number = member.number
        tokenExpiry = member.tokenExpiry
        statusInterval = member.statusInterval
        report = WrittenPeerReport(member.report)
        sessions = member.sessions.map { WrittenSnapshotSession($0) }
    }
}

extension SlotSnapshot.Member {
    private static let maximumIDs = 4
    private static let maximumSessions = 256

    init(_ written: WrittenSnapshotMember, _ reader: WrittenReader) throws(WrittenFormError) {
        try reader.count(written.ids.count, upTo: Self.maximumIDs, "SnapshotMember.ids")
        try reader.count(written.sessions.count, upTo: Self.maximumSessions, "SnapshotMember.sessions")
        self.init(
            gateway: written.hasGateway ? try reader.integer(written.gateway, "SnapshotMember.gateway") : nil,
            ids: try written.ids.map { id throws(WrittenFormError) in try reader.givenName(id, "SnapshotMember.ids") },
            number: written.number,
            tokenExpiry: written.tokenExpiry,
            statusInterval: try reader.measure(written.statusInterval, "SnapshotMember.status_interval"),
            report: try PeerReport(written.report, reader)
        )
        sessions = try written.sessions.map { session throws(WrittenFormError) in
            try SlotSnapshot.Session(session, reader)
        }
    }
}

extension TreeSnapshot.Peer {
    init(_ written: WrittenSnapshotMember, _ reader: WrittenReader) throws(WrittenFormError) {
        try reader.count(written.places.count, upTo: StripeLayout.most, "SnapshotMember.places")
        self.init(
            isNative: written.isNative,
            origin: written.hasOrigin ? written.origin : nil,
            age: .milliseconds(written.age),
            signalling: written.isLost ? .lost : .connected,
            standby: written.hasStandby ? try reader.integer(written.standby, "SnapshotMember.standby") : nil,
            eviction: written.hasEviction ? try TreeSnapshot.Eviction(written.eviction, reader) : nil,
            places: try written.places.map { place throws(WrittenFormError) in try TreeSnapshot.Place(place, reader) }
        )
    }
}

extension WrittenSnapshotEviction {
    init(_ eviction: TreeSnapshot.Eviction) {
        self.init()
        stripe = UInt32(clamping: eviction.stripe)
        capacity = UInt32(eviction.capacity)
        rounds = UInt32(clamping: eviction.rounds)
    }
}

extension TreeSnapshot.Eviction {
    init(_ written: WrittenSnapshotEviction, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            stripe: try reader.integer(written.stripe, "SnapshotEviction.stripe"),
            capacity: try reader.short(written.capacity, "SnapshotEviction.capacity"),
            rounds: try reader.integer(written.rounds, "SnapshotEviction.rounds")
        )
    }
}

extension WrittenSnapshotPlace {
    init(_ place: TreeSnapshot.Place) {
        self.init()
        capacity = UInt32(place.capacity)
        if let parent = place.parent { self.parent = UInt32(clamping: parent) }
        if let holder = place.holder { self.holder = UInt32(clamping: holder) }
        epoch = place.epoch
        isAttached = place.isAttached
        isMoving = place.isMoving
    }
}

extension TreeSnapshot.Place {
    init(_ written: WrittenSnapshotPlace, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            capacity: try reader.short(written.capacity, "SnapshotPlace.capacity"),
            parent: written.hasParent ? try reader.integer(written.parent, "SnapshotPlace.parent") : nil,
            holder: written.hasHolder ? try reader.integer(written.holder, "SnapshotPlace.holder") : nil,
            epoch: written.epoch,
            isAttached: written.isAttached,
            isMoving: written.isMoving
        )
    }
}

extension WrittenSnapshotSession {
    init(_ session: SlotSnapshot.Session) {
        self.init()
        id = session.id
        other = UInt32(clamping: session.other)
        otherID = session.otherID
        ownID = session.ownID
    }
}

extension SlotSnapshot.Session {
    init(_ written: WrittenSnapshotSession, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            id: try reader.name(written.id, "SnapshotSession.id"),
            other: try reader.integer(written.other, "SnapshotSession.other"),
            otherID: try reader.givenName(written.otherID, "SnapshotSession.other_id"),
            ownID: try reader.givenName(written.ownID, "SnapshotSession.own_id")
        )
    }
}
