import PeerTreeCore
import PeerTreeSignalling

// Whom messages speak of.

extension WrittenWish {
    init(_ wish: Wish) {
        self.init()
        socket = wish.socket
        number = wish.number
    }
}

extension Wish {
    init(_ written: WrittenWish, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(socket: try reader.givenName(written.socket, "Wish.socket"), number: written.number)
    }
}

extension WrittenMemberSocket {
    init(_ member: MemberSocket) {
        self.init()
        tree = member.tree
        number = member.number
        socket = member.socket
    }
}

extension MemberSocket {
    init(_ written: WrittenMemberSocket, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            tree: try reader.name(written.tree, "MemberSocket.tree"),
            number: try reader.member(written.number, "MemberSocket.number"),
            socket: try reader.givenName(written.socket, "MemberSocket.socket")
        )
    }
}

extension WrittenRefusal {
    init(_ error: SignallingError) {
        self.init()
        code = error.code
        message = error.message
    }
}

extension SignallingError {
    init(_ written: WrittenRefusal, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            code: try reader.code(written.code, "Refusal.code"),
            message: try reader.sentence(written.message, "Refusal.message")
        )
    }
}

// MARK: Events

extension WrittenEvent {
    init(_ name: SignallingName) {
        switch name {
        case .discover: self = .discover
        case .offer: self = .offer
        case .signal: self = .signal
        case .reject: self = .reject
        case .assign: self = .assign
        case .admit: self = .admit
        case .childGone: self = .childGone
        case .standby: self = .standby
        case .suspect: self = .suspect
        case .place: self = .place
        case .tree: self = .tree
        case .resume: self = .resume
        case .goingAway: self = .goingAway
        case .end: self = .end
        case .error: self = .error
        case .iceServers: self = .iceServers
        case .status: self = .status
        case .pulse: self = .pulse
        case .attached: self = .attached
        case .orphaned: self = .orphaned
        case .promoted: self = .promoted
        case .childLost: self = .childLost
        case .leave: self = .leave
        }
    }
}

extension SignallingName {
    private static let written: [WrittenEvent: SignallingName] = Dictionary(
        uniqueKeysWithValues: allCases.map { (WrittenEvent($0), $0) }
    )

    /// An event that clients say.
    init(fromClient written: WrittenEvent, _ reader: WrittenReader) throws(WrittenFormError) {
        guard let name = Self.written[written], name.isFromClient else {
            throw reader.bad("ClientEvent.event", "an event that clients send")
        }
        self = name
    }

    /// An event that clients are told.
    init(fromServer written: WrittenEvent, _ reader: WrittenReader) throws(WrittenFormError) {
        guard let name = Self.written[written], name.isFromServer else {
            throw reader.bad("Emission.event", "an event that servers send")
        }
        self = name
    }
}
