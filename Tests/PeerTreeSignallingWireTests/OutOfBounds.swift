import PeerTreeCore
import SwiftProtobuf
import Testing

@testable import PeerTreeSignallingWire

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A part of a message that is out of bounds, and what it is called.
struct OutOfBounds<Form: Sendable>: Sendable, CustomTestStringConvertible {
    let field: String
    let name: String
    let change: @Sendable (inout Form) -> Void

    init(_ field: String, _ name: String, _ change: @escaping @Sendable (inout Form) -> Void) {
        self.field = field
        self.name = name
        self.change = change
    }

    var testDescription: String { "\(field), \(name)" }
}

private let long = String(repeating: "n", count: 129)

extension OutOfBounds where Form == WrittenToTree {
    static let toTree: [OutOfBounds] = entries + places + tokens + others

    private static let entries: [OutOfBounds] = [
        .init("Entry.wish", "absent") { $0.enter.clearWish() },
        .init("Entry.request", "absent") { $0.enter.clearRequest() },
        .init("Entry.tree", "long") { $0.enter.tree = long },
        .init("Wish.socket", "empty") { $0.enter.wish.socket = "" },
        .init("Wish.socket", "long") { $0.enter.wish.socket = long },
        .init("DiscoverRequest.tree_id", "long") { $0.enter.request.treeID = long },
        .init("DiscoverRequest.stripes", "large") { $0.enter.request.stripes = 1 << 63 },
        .init("DiscoverRequest.parity", "large") { $0.enter.request.parity = .max },
        .init("DiscoverRequest.capacity", "large") { $0.enter.request.capacity = .max },
        .init("DiscoverRequest.key", "31 bytes") { $0.enter.request.key.removeLast() },
        .init("DiscoverRequest.key", "33 bytes") { $0.enter.request.key.append(0) },
        .init("DiscoverRequest.key", "absent beside a proof") { $0.enter.request.clearKey() },
        .init("TreeProof.signature", "63 bytes") { $0.enter.request.proof.signature.removeLast() },
        .init("TreeProof.signature", "65 bytes") { $0.enter.request.proof.signature.append(0) },
        .init("TreeProof.host", "long") { $0.enter.request.proof.host = long },
        .init("DiscoverRequest.resume_token", "long") {
            $0.enter.request.resumeToken = String(repeating: "n", count: 1_025)
        },
        .init("DiscoverRequest.agent", "empty") { $0.enter.request.agent = "" },
        .init("DiscoverRequest.agent", "long") { $0.enter.request.agent = String(repeating: "n", count: 49) },
        .init("DiscoverRequest.agent", "markup") { $0.enter.request.agent = "<b>" },
    ]

    private static let places: [OutOfBounds] = [
        .init("ClaimedPlace.parents", "17") {
            $0.enter.request.place.parents = Array(repeating: $0.enter.request.place.parents[0], count: 17)
        },
        .init("ClaimedPlace.parents", "two in a stripe") {
            $0.enter.request.place.parents = Array(repeating: $0.enter.request.place.parents[0], count: 2)
        },
        .init("ClaimedPlace.children", "1,025") {
            $0.enter.request.place.children = Array(repeating: $0.enter.request.place.children[0], count: 1_025)
        },
        .init("ClaimedPlace.Parent.stripe", "large") { $0.enter.request.place.parents[0].stripe = .max },
        .init("ClaimedPlace.Parent.id", "absent") { $0.enter.request.place.parents[0].clearID() },
        .init("ClaimedPlace.Parent.id", "absent, of the source") {
            $0.enter.request.place.parents[0].clearID()
            $0.enter.request.place.parents[0].clearSessionID()
            $0.enter.request.place.parents[0].isSource = true
        },
        .init("ClaimedPlace.Parent.id", "long") { $0.enter.request.place.parents[0].id = long },
        .init("ClaimedPlace.Parent.session_id", "long") { $0.enter.request.place.parents[0].sessionID = long },
        .init("ClaimedPlace.Neighbour.stripe", "large") { $0.enter.request.place.children[0].stripe = .max },
        .init("ClaimedPlace.Neighbour.id", "empty") { $0.enter.request.place.children[0].id = "" },
        .init("ClaimedPlace.Neighbour.id", "long") { $0.enter.request.place.children[0].id = long },
        .init("ClaimedPlace.Neighbour.session_id", "long") { $0.enter.request.place.children[0].sessionID = long },
    ]

    private static let tokens: [OutOfBounds] = [
        .init("ResumeToken.number", "0") { $0.enter.token.number = 0 },
        .init("ResumeToken.stripes", "0") { $0.enter.token.stripes = 0 },
        .init("ResumeToken.stripes", "17") { $0.enter.token.stripes = 17 },
        .init("ResumeToken.parity", "2") { $0.enter.token.parity = 2 },
        .init("ResumeToken.parity", "of one stripe") {
            $0.enter.token.stripes = 1
            $0.enter.token.parity = 1
        },
        .init("ResumeToken.interior_stripe", "16") { $0.enter.token.interiorStripe = 16 },
        .init("ResumeToken.interior_stripe", "256") { $0.enter.token.interiorStripe = 256 },
        .init("ResumeToken.capacity", "65,536") { $0.enter.token.capacity = 65_536 },
        .init("ResumeToken.source_capacity", "large") { $0.enter.token.sourceCapacity = .max },
        .init("ResumeToken.tree_id", "long") { $0.enter.token.treeID = long },
        .init("ResumeToken.ids", "17") { $0.enter.token.ids = Array(repeating: "n", count: 17) },
        .init("ResumeToken.ids", "long") { $0.enter.token.ids = [long] },
    ]

    private static let others: [OutOfBounds] = [
        .init("ToTree.message", "absent") { $0.message = nil },
        .init("Withdrawal.tree", "long") { $0.withdraw.tree = long },
        .init("Withdrawal.socket", "empty") { $0.withdraw.socket = "" },
        .init("Withdrawal.socket", "long") { $0.withdraw.socket = long },
        .init("Release.member", "absent") { $0.release.wish.socket = "s" },
        .init("Release.wish", "absent") { $0.release.member = .somebody },
        .init("MemberSocket.number", "0") { $0.leave.socket = "s" },
        .init("MemberSocket.socket", "empty") { $0.disconnected.number = 1 },
        .init("MemberSocket.socket", "long") {
            $0.leave = .somebody
            $0.leave.socket = long
        },
        .init("MemberSocket.tree", "long") {
            $0.disconnected = .somebody
            $0.disconnected.tree = long
        },
        .init("ClientEvent.member", "absent") { $0.event.event = .status },
        .init("ClientEvent.event", "absent") { $0.event.member = .somebody },
        .init("ClientEvent.event", "of servers") { $0.event = .of(.assign) },
        .init("ClientEvent.event", "unknown") { $0.event = .of(.UNRECOGNIZED(99)) },
        .init("ClientEvent.payload", "empty") { $0.event = .of(.status, "") },
        .init("ClientEvent.payload", "no JSON") { $0.event = .of(.status, "{") },
        .init("ClientEvent.payload", "two values") { $0.event = .of(.status, "{} {}") },
        .init("ClientEvent.payload", "deep") {
            $0.event = .of(.status, String(repeating: "[", count: 19) + String(repeating: "]", count: 19))
        },
        .init("ClientEvent.payload", "deeper than a stack") {
            $0.event = .of(.status, String(repeating: "[", count: 400_000))
        },
        .init("ClientEvent.payload", "large") {
            $0.event = .of(.status, "\"" + String(repeating: "n", count: 245_760) + "\"")
        },
        .init("ClientEvent.payload", "large, of blanks") {
            $0.event = .of(.status, "0" + String(repeating: " ", count: 6 * 245_760))
        },
        .init("Question.tree", "long") { $0.asked.tree = long },
        .init("Question.question", "absent") { $0.asked.watcher = 1 },
        .init("Question.Watch.tree", "long") { $0.asked.watch.tree = long },
        .init("Question.Shape.tree", "long") { $0.asked.shape.tree = long },
        .init("Announcement.token", "absent") { $0.announce.socket = "s" },
        .init("Announcement.socket", "empty") { $0.announce.token.number = 1 },
        .init("Announcement.agent", "markup") { $0.announce = .of { $0.agent = "<b>" } },
        .init("Announcement.key", "31 bytes") { $0.announce = .of { $0.key = Data(count: 31) } },
        .init("ResumeToken.ids", "17, announced") {
            $0.announce = .of { $0.token.ids = Array(repeating: "n", count: 17) }
        },
    ]
}

extension OutOfBounds where Form == WrittenToGateway {
    static let toGateway: [OutOfBounds] = messages + changes + shapes

    private static let messages: [OutOfBounds] = [
        .init("ToGateway.message", "absent") { $0.message = nil },
        .init("Entered.socket", "empty") { $0.entered.token.number = 1 },
        .init("Entered.socket", "long") { $0.entered.socket = long },
        .init("Entered.token", "absent") { $0.entered.socket = "s" },
        .init("Renewed.member", "absent") { $0.renewed.token.number = 1 },
        .init("Renewed.token", "absent") {
            $0.renewed.member.number = 1
            $0.renewed.member.socket = "s"
        },
        .init("Answered.wish", "absent") { $0.answered.hasMadeTree_p = true },
        .init("EntryRefused.wish", "absent") { $0.refused.refusal.code = "full" },
        .init("EntryRefused.refusal", "absent") { $0.refused.wish.socket = "s" },
        .init("Refusal.code", "empty") { $0.refuse = .of("") },
        .init("Refusal.code", "long") { $0.refuse = .of(String(repeating: "c", count: 33)) },
        .init("Refusal.code", "capitals") { $0.refuse = .of("Full") },
        .init("Refusal.message", "long") {
            $0.refuse = .of("full")
            $0.refuse.refusal.message = String(repeating: "n", count: 1_025)
        },
        .init("EventRefused.member", "absent") { $0.refuse.refusal.code = "full" },
        .init("EventRefused.refusal", "absent") { $0.refuse.member = .somebody },
        .init("EventRefused.event", "empty") {
            $0.refuse = .of("full")
            $0.refuse.event = ""
        },
        .init("EventRefused.event", "long") {
            $0.refuse = .of("full")
            $0.refuse.event = long
        },
        .init("Wish.socket", "empty") { $0.waits.number = 1 },
        .init("Wish.socket", "long") { $0.released.socket = long },
        .init("Emission.member", "absent") { $0.emit.event = .place },
        .init("Emission.event", "absent") { $0.emit.member = .somebody },
        .init("Emission.event", "of clients") {
            $0.emit.member = .somebody
            $0.emit.event = .attached
        },
        .init("Emission.payload", "absent") {
            $0.emit.member = .somebody
            $0.emit.event = .place
        },
        .init("MemberSocket.number", "0") { $0.probe.socket = "s" },
        .init("MemberSocket.number", "0, left") { $0.left.socket = "s" },
        .init("MemberSocket.number", "0, replaced") { $0.replaced.socket = "s" },
        .init("TreeEnded.tree", "long") { $0.treeEnded.tree = long },
        .init("Answer.answer", "absent") { $0.answer.watcher = 1 },
        .init("Refusal.code", "of an answer") { $0.answer.refused.message = "No." },
    ]

    private static let changes: [OutOfBounds] = [
        .init("DashboardWelcome.tree_id", "long") { $0.answer.watching.treeID = long },
        .init("DashboardWelcome.source", "empty") { $0.answer.watching.k = 1 },
        .init("DashboardWelcome.stripes", "17") {
            $0.answer.watching.source = "a"
            $0.answer.watching.stripes = 17
        },
        .init("DashboardWelcome.k", "large") {
            $0.answer.watching.source = "a"
            $0.answer.watching.k = .max
        },
        .init("DashboardWelcome.k1", "large") {
            $0.answer.watching.source = "a"
            $0.answer.watching.k1 = .max
        },
        .init("DashboardChanges.viewers", "large") { $0.answer.changes.viewers = .max },
        .init("DashboardChanges.peers", "1,001") {
            $0.answer.changes.peers = Array(repeating: .somebody, count: 1_001)
        },
        .init("DashboardChanges.gone", "200,001") {
            $0.answer.changes.gone = Array(repeating: "a", count: 200_001)
        },
        .init("DashboardChanges.gone", "markup") { $0.answer.changes.gone = ["<b>"] },
        .init("DashboardChanges.Peer.label", "empty") {
            $0.answer.changes.peers = [.somebody]
            $0.answer.changes.peers[0].label = ""
        },
        .init("DashboardChanges.Peer.label", "long") {
            $0.answer.changes.peers = [.somebody]
            $0.answer.changes.peers[0].label = String(repeating: "a", count: 17)
        },
        .init("DashboardChanges.Peer.parents", "17") {
            $0.answer.changes.peers = [.somebody]
            $0.answer.changes.peers[0].parents = Array(repeating: .init(), count: 17)
        },
        .init("LabelledParent.label", "empty") {
            $0.answer.changes.peers = [.somebody]
            $0.answer.changes.peers[0].parents = [.with { $0.label = "" }]
        },
        .init("PeerReport.rate", "less than 0") {
            $0.answer.changes.peers = [.somebody]
            $0.answer.changes.peers[0].report.rate = -1
        },
        .init("PeerReport.lag", "infinite") {
            $0.answer.changes.peers = [.somebody]
            $0.answer.changes.peers[0].report.lag = .infinity
        },
        .init("PeerReport.round_trip", "no number") {
            $0.answer.changes.peers = [.somebody]
            $0.answer.changes.peers[0].report.roundTrip = .nan
        },
        .init("PeerReport.agent", "markup") {
            $0.answer.changes.peers = [.somebody]
            $0.answer.changes.peers[0].report.agent = "<b>"
        },
    ]

    private static let shapes: [OutOfBounds] = [
        .init("TreeShape.source", "empty") { $0.answer.shape.depth = 1 },
        .init("TreeShape.stripes", "17") { $0.answer.shape = .of { $0.stripes = 17 } },
        .init("TreeShape.parity", "2") { $0.answer.shape = .of { $0.parity = 2 } },
        .init("TreeShape.viewers", "large") { $0.answer.shape = .of { $0.viewers = .max } },
        .init("TreeShape.depth", "large") { $0.answer.shape = .of { $0.depth = .max } },
        .init("TreeShape.peers", "257") {
            $0.answer.shape = .of { $0.peers = Array(repeating: .with { $0.label = "a" }, count: 257) }
        },
        .init("TreeShape.Peer.label", "empty") { $0.answer.shape = .of { $0.peers = [.init()] } },
        .init("TreeShape.Peer.depth", "large") {
            $0.answer.shape = .of {
                $0.peers = [
                    .with {
                        $0.label = "a"
                        $0.depth = .max
                    }
                ]
            }
        },
        .init("TreeShape.Peer.parents", "17") {
            $0.answer.shape = .of {
                $0.peers = [
                    .with {
                        $0.label = "a"
                        $0.parents = Array(repeating: .init(), count: 17)
                    }
                ]
            }
        },
    ]
}

// MARK: Parts that are in bounds

extension WrittenMemberSocket {
    static var somebody: WrittenMemberSocket {
        .with {
            $0.tree = "t"
            $0.number = 1
            $0.socket = "s"
        }
    }
}

extension WrittenClientEvent {
    static func of(_ event: WrittenEvent, _ payload: String? = nil) -> WrittenClientEvent {
        .with {
            $0.member = .somebody
            $0.event = event
            if let payload { $0.payload = .init(payload.utf8) }
        }
    }
}

extension WrittenEventRefused {
    static func of(_ code: String) -> WrittenEventRefused {
        .with {
            $0.member = .somebody
            $0.event = "e"
            $0.refusal.code = code
        }
    }
}

extension WrittenDashboardChanges.Peer {
    static var somebody: WrittenDashboardChanges.Peer { .with { $0.label = "a" } }
}

extension WrittenTreeShape {
    static func of(_ change: (inout WrittenTreeShape) -> Void) -> WrittenTreeShape {
        .with {
            $0.source = "a"
            change(&$0)
        }
    }
}

extension WrittenAnnouncement {
    /// One that is in bounds but for a change.
    fileprivate static func of(_ change: (inout WrittenAnnouncement) -> Void) -> WrittenAnnouncement {
        var announcement = WrittenAnnouncement()
        announcement.socket = "s"
        announcement.token.number = 1
        announcement.token.stripes = 1
        change(&announcement)
        return announcement
    }
}
