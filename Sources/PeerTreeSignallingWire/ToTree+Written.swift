import JSON
import PeerTreeCore
package import PeerTreeSignalling
import SwiftProtobuf

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension ToTree {
    /// The message as it goes to another node.
    package func written() -> [UInt8] { bytes(of: WrittenToTree(self)) }

    /// Reads what a gateway has written.
    package init(written bytes: [UInt8], options: SignallingOptions) throws(WrittenFormError) {
        let reader = WrittenReader(options: options)
        try self.init(try reader.message(WrittenToTree.self, bytes, limit: options.maximumBytesToTree), reader)
    }
}

extension WrittenToTree {
    init(_ message: ToTree) {
        self.init()
        switch message {
        case .enter(let entry): self.message = .enter(WrittenEntry(entry))
        case .withdraw(let tree, let socket):
            self.message = .withdraw(
                .with {
                    $0.tree = tree
                    $0.socket = socket
                }
            )
        case .release(let member, let wish):
            self.message = .release(
                .with {
                    $0.member = WrittenMemberSocket(member)
                    $0.wish = WrittenWish(wish)
                }
            )
        case .leave(let member): self.message = .leave(WrittenMemberSocket(member))
        case .event(let member, let event, let payload):
            self.message = .event(WrittenClientEvent(member, event, payload))
        case .disconnected(let member): self.message = .disconnected(WrittenMemberSocket(member))
        case .asked(let tree, let watcher, let question):
            self.message = .asked(WrittenQuestion(question, about: tree, of: watcher))
        case .announce(let announcement): self.message = .announce(WrittenAnnouncement(announcement))
        case .held(let slot): self.message = .held(.with { $0.slot = UInt32(slot.number) })
        case .goingAway: self.message = .goingAway(WrittenGoingAway())
        }
    }
}

extension ToTree {
    fileprivate init(_ written: WrittenToTree, _ reader: WrittenReader) throws(WrittenFormError) {
        switch written.message {
        case .enter(let entry): self = .enter(try Entry(entry, reader))
        case .withdraw(let withdrawal):
            self = .withdraw(
                tree: try reader.name(withdrawal.tree, "Withdrawal.tree"),
                socket: try reader.givenName(withdrawal.socket, "Withdrawal.socket")
            )
        case .release(let release):
            self = .release(
                try MemberSocket(reader.needed(release.member, release.hasMember, "Release.member"), reader),
                for: try Wish(reader.needed(release.wish, release.hasWish, "Release.wish"), reader)
            )
        case .leave(let member): self = .leave(try MemberSocket(member, reader))
        case .event(let event): self = try .init(event, reader)
        case .disconnected(let member): self = .disconnected(try MemberSocket(member, reader))
        case .asked(let question):
            self = .asked(
                tree: try reader.name(question.tree, "Question.tree"),
                watcher: try reader.watcher(question.watcher, "Question.watcher"),
                try DashboardQuestion(question, reader)
            )
        case .announce(let announcement): self = .announce(try Announcement(announcement, reader))
        case .held(let held): self = .held(try Slot(held.slot, reader))
        case .goingAway: self = .goingAway
        case nil: throw reader.bad("ToTree.message", "one that this version knows")
        }
    }
}

// MARK: Events

extension WrittenClientEvent {
    init(_ member: MemberSocket, _ event: SignallingName, _ payload: JSONValue?) {
        self.init()
        self.member = WrittenMemberSocket(member)
        self.event = WrittenEvent(event)
        if let payload { self.payload = Data(payload.jsonBytes) }
    }
}

extension ToTree {
    fileprivate init(_ written: WrittenClientEvent, _ reader: WrittenReader) throws(WrittenFormError) {
        let member = try reader.needed(written.member, written.hasMember, "ClientEvent.member")
        // Not nil, which would be JSON's null.
        let absent = JSONValue?.none
        self = .event(
            try MemberSocket(member, reader),
            try SignallingName(fromClient: written.event, reader),
            written.hasPayload ? try reader.payload(written.payload, "ClientEvent.payload") : absent
        )
    }
}
