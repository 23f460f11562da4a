import JSON
import PeerTreeCore
package import PeerTreeSignalling
import SwiftProtobuf

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension ToGateway {
    /// The message as it goes to another node.
    package func written() -> [UInt8] { bytes(of: WrittenToGateway(self)) }

    /// Reads what the service of a tree has written.
    package init(written bytes: [UInt8], options: SignallingOptions) throws(WrittenFormError) {
        let reader = WrittenReader(options: options)
        try self.init(try reader.message(WrittenToGateway.self, bytes, limit: options.maximumBytesToGateway), reader)
    }
}

extension WrittenToGateway {
    init(_ message: ToGateway) {
        self.init()
        switch message {
        case .entered(let socket, let isNative, let token):
            self.message = .entered(WrittenEntered(socket, isNative: isNative, token))
        case .renewed(let member, let token):
            self.message = .renewed(
                .with {
                    $0.member = WrittenMemberSocket(member)
                    $0.token = WrittenResumeToken(token)
                }
            )
        case .answered(let wish, let hasMadeTree):
            self.message = .answered(
                .with {
                    $0.wish = WrittenWish(wish)
                    $0.hasMadeTree_p = hasMadeTree
                }
            )
        case .refused(let wish, let error): self.message = .refused(WrittenEntryRefused(wish, error))
        case .waits(let wish): self.message = .waits(WrittenWish(wish))
        case .released(let wish): self.message = .released(WrittenWish(wish))
        case .emit(let member, let event, let payload):
            self.message = .emit(WrittenEmission(member, event, payload))
        case .refuse(let member, let event, let error):
            self.message = .refuse(WrittenEventRefused(member, event, error))
        case .probe(let member): self.message = .probe(WrittenMemberSocket(member))
        case .left(let member): self.message = .left(WrittenMemberSocket(member))
        case .replaced(let member): self.message = .replaced(WrittenMemberSocket(member))
        case .treeEnded(let tree): self.message = .treeEnded(.with { $0.tree = tree })
        case .hold: self.message = .hold(WrittenHold())
        case .carryOn: self.message = .carryOn(WrittenCarryOn())
        case .answer(let watcher, let answer): self.message = .answer(WrittenAnswer(answer, to: watcher))
        }
    }
}

extension ToGateway {
    fileprivate init(_ written: WrittenToGateway, _ reader: WrittenReader) throws(WrittenFormError) {
        switch written.message {
        case .entered(let entered): self = try .init(entered, reader)
        case .renewed(let renewed):
            self = .renewed(
                try MemberSocket(reader.needed(renewed.member, renewed.hasMember, "Renewed.member"), reader),
                try ResumeToken(reader.needed(renewed.token, renewed.hasToken, "Renewed.token"), reader)
            )
        case .answered(let answered):
            let wish = try reader.needed(answered.wish, answered.hasWish, "Answered.wish")
            self = .answered(try Wish(wish, reader), hasMadeTree: answered.hasMadeTree_p)
        case .refused(let refused): self = try .init(refused, reader)
        case .waits(let wish): self = .waits(try Wish(wish, reader))
        case .released(let wish): self = .released(try Wish(wish, reader))
        case .emit(let emission): self = try .init(emission, reader)
        case .refuse(let refused): self = try .init(refused, reader)
        case .probe(let member): self = .probe(try MemberSocket(member, reader))
        case .left(let member): self = .left(try MemberSocket(member, reader))
        case .replaced(let member): self = .replaced(try MemberSocket(member, reader))
        case .treeEnded(let ended): self = .treeEnded(tree: try reader.name(ended.tree, "TreeEnded.tree"))
        case .hold: self = .hold
        case .carryOn: self = .carryOn
        case .answer(let answer):
            let watcher = try reader.watcher(answer.watcher, "Answer.watcher")
            self = .answer(watcher: watcher, try DashboardAnswer(answer, reader))
        case nil: throw reader.bad("ToGateway.message", "one that this version knows")
        }
    }
}

// MARK: Entering

extension WrittenEntered {
    init(_ socket: String, isNative: Bool, _ token: ResumeToken) {
        self.init()
        self.socket = socket
        self.isNative = isNative
        self.token = WrittenResumeToken(token)
    }
}

extension ToGateway {
    fileprivate init(_ written: WrittenEntered, _ reader: WrittenReader) throws(WrittenFormError) {
        self = .entered(
            socket: try reader.givenName(written.socket, "Entered.socket"),
            isNative: written.isNative,
            try ResumeToken(reader.needed(written.token, written.hasToken, "Entered.token"), reader)
        )
    }
}

extension WrittenEntryRefused {
    init(_ wish: Wish, _ error: SignallingError) {
        self.init()
        self.wish = WrittenWish(wish)
        refusal = WrittenRefusal(error)
    }
}

extension ToGateway {
    fileprivate init(_ written: WrittenEntryRefused, _ reader: WrittenReader) throws(WrittenFormError) {
        let wish = try reader.needed(written.wish, written.hasWish, "EntryRefused.wish")
        let refusal = try reader.needed(written.refusal, written.hasRefusal, "EntryRefused.refusal")
        self = .refused(try Wish(wish, reader), try SignallingError(refusal, reader))
    }
}

// MARK: Events

extension WrittenEmission {
    init(_ member: MemberSocket, _ event: SignallingName, _ payload: JSONValue) {
        self.init()
        self.member = WrittenMemberSocket(member)
        self.event = WrittenEvent(event)
        self.payload = Data(payload.jsonBytes)
    }
}

extension ToGateway {
    fileprivate init(_ written: WrittenEmission, _ reader: WrittenReader) throws(WrittenFormError) {
        let member = try reader.needed(written.member, written.hasMember, "Emission.member")
        self = .emit(
            try MemberSocket(member, reader),
            try SignallingName(fromServer: written.event, reader),
            try reader.payload(written.payload, "Emission.payload")
        )
    }
}

extension WrittenEventRefused {
    init(_ member: MemberSocket, _ event: String, _ error: SignallingError) {
        self.init()
        self.member = WrittenMemberSocket(member)
        self.event = event
        refusal = WrittenRefusal(error)
    }
}

extension ToGateway {
    fileprivate init(_ written: WrittenEventRefused, _ reader: WrittenReader) throws(WrittenFormError) {
        let member = try reader.needed(written.member, written.hasMember, "EventRefused.member")
        let refusal = try reader.needed(written.refusal, written.hasRefusal, "EventRefused.refusal")
        self = .refuse(
            try MemberSocket(member, reader),
            event: try reader.givenName(written.event, "EventRefused.event"),
            try SignallingError(refusal, reader)
        )
    }
}
