import NIOCore
import NodeLinks
import TestSupport

/// A node of the model, and its user, who checks what it is told.
struct ModelNode {
    let name: NodeName
    var machine: LinkNode
    private(set) var run: LinkID
    private(set) var certificate: [UInt8] = []
    var wakeAt: NIODeadline?
    var refusals: [LinkRefusal] = []
    /// Of every other node.
    private(set) var users: [NodeName: ModelUser] = [:]
    private(set) var problems: [String] = []

    static let secrets = "a secret of the tests"

    init(_ name: NodeName, _ options: LinkOptions, at now: NIODeadline, using random: inout SeededGenerator) {
        self.name = name
        run = LinkID(using: &random)
        machine = Self.makeMachine(name, run, options, &random)
        certificate = random.bytes(16)
    }

    mutating func restart(_ options: LinkOptions, at now: NIODeadline, using random: inout SeededGenerator) {
        run = LinkID(using: &random)
        machine = Self.makeMachine(name, run, options, &random)
        certificate = random.bytes(16)
        wakeAt = nil
        users = [:]
    }

    private static func makeMachine(
        _ name: NodeName,
        _ run: LinkID,
        _ options: LinkOptions,
        _ random: inout SeededGenerator
    ) -> LinkNode {
        guard let secrets = try? LinkSecrets([Array(Self.secrets.utf8)]) else { preconditionFailure("a short secret") }
        let identity = LinkIdentity(name: name, run: run, secrets: secrets)
        return LinkNode(identity, options, random: SeededGenerator(seed: random.next()))
    }

    mutating func send(to other: NodeName, bytes: Int, at now: NIODeadline) {
        guard let session = users[other]?.session, let next = users[other]?.sent else { return }
        var payload = ByteBuffer(string: "\(session)")
        payload.writeInteger(next + 1)
        payload.writeBytes([UInt8](repeating: 7, count: bytes))
        // Before the machine is asked: it may say at once that the session is over, and this lost.
        users[other]?.sent += 1
        do {
            let number = try machine.send(payload, to: other, at: now)
            if number != next + 1 { problems.append("\(name) sent \(next + 1), which was numbered \(number)") }
        } catch .overflow {
            users[other]?.sent -= 1
        } catch {
            problems.append("\(name) could not send to \(other): \(error)")
        }
    }

    mutating func hear(_ event: LinkEvent, of other: NodeName) {
        var user = users[other] ?? ModelUser()
        if let problem = user.hear(event) { problems.append("\(name), of \(other): \(problem)") }
        users[other] = user
    }
}

/// What a user knows of its link to one other node.
struct ModelUser {
    private(set) var session: LinkID?
    /// In this session.
    var sent: UInt64 = 0
    private(set) var received: UInt64 = 0
    private(set) var isReachable: Bool?
    private(set) var isWritable = true
    private(set) var ends: [SessionEnd] = []
    private(set) var lost: [LinkID: Range<UInt64>] = [:]
    /// Of sessions that are over.
    private(set) var receivedBefore: [LinkID: UInt64] = [:]

    /// - Returns: what is wrong with it.
    mutating func hear(_ event: LinkEvent) -> String? {
        switch event {
        case .sessionStarted(let id):
            guard session == nil, receivedBefore[id] == nil else { return "session \(id) has started a second time" }
            (session, sent, received, isWritable) = (id, 0, 0, true)
        case .sessionEnded(let reason, let lost):
            guard let session else { return "a session has ended that had not started" }
            // An overflow names what it did not take as little as it numbers it.
            guard lost.upperBound == sent + 1 || (reason == .overflow && lost.upperBound == sent) else {
                return "of \(sent) were lost \(lost)"
            }
            ends.append(reason)
            self.lost[session] = lost
            receivedBefore[session] = received
            self.session = nil
        case .received(let payload): return take(payload)
        case .isWritable(let isWritable):
            guard isWritable != self.isWritable else { return "is writable: \(isWritable), twice" }
            self.isWritable = isWritable
        case .reachable:
            guard isReachable != true else { return "is reachable, twice" }
            isReachable = true
        case .unreachable:
            guard isReachable != false else { return "is unreachable, twice" }
            isReachable = false
        case .refused(.violation(let violation), _): return "\(violation)"
        case .refused, .dialFailed: break
        }
        return nil
    }

    private mutating func take(_ payload: ByteBuffer) -> String? {
        guard let session else { return "a frame came without a session" }
        var payload = payload
        let mark = "\(session)"
        guard payload.readString(length: mark.utf8.count) == mark else { return "a frame of another session came" }
        guard payload.readInteger(as: UInt64.self) == received + 1 else { return "not frame \(received + 1) came" }
        received += 1
        return nil
    }
}
