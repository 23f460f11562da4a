import TestSupport
import Testing

@testable import WebRTC

/// The exchange of descriptions without anything that connects.
@Suite("Negotiation", .timeLimit(.minutes(5)))
struct NegotiationTests {
    /// One side: the machine, and credentials as its agents would have them.
    private struct Side {
        var machine = Negotiation()
        let name: String
        /// Credentials in use: a number for each agent.
        private(set) var generation = 0
        private var kept = 0
        private var last = 0
        var outputs: [Negotiation.Output] = []

        init(_ name: String) { self.name = name }

        mutating func drain() {
            while let output = self.machine.nextOutput() {
                switch output {
                case .beginRestart:
                    self.kept = self.generation
                    self.last += 1
                    self.generation = self.last
                case .abandonRestart: self.generation = self.kept
                default: break
                }
                self.outputs.append(output)
            }
        }

        func description(_ shape: Negotiation.LocalShape) -> DataSessionDescription {
            var description = DataSessionDescription()
            description.sections = shape.sections
            description.dataSection = shape.dataSection
            description.setup = shape.setup
            description.usernameFragment = "\(self.name)\(self.generation)"
            description.password = "a password of more than 22"
            description.fingerprints = [.init(algorithm: "sha-256", bytes: Array(self.name.utf8))]
            return description
        }

        mutating func offer(iceRestart: Bool = false) throws -> DataSessionDescription {
            let shape = try self.machine.offer(iceRestart: iceRestart)
            self.drain()
            return self.description(shape)
        }

        mutating func answer() throws -> DataSessionDescription {
            let shape = try self.machine.answer()
            self.drain()
            return self.description(shape)
        }

        mutating func take(_ type: SessionDescription.DescriptionType, _ other: DataSessionDescription) throws {
            try self.machine.take(type, other)
            self.drain()
        }

        mutating func rollBack() throws {
            try self.machine.rollBack()
            self.drain()
        }
    }

    /// Both sides after the first exchange, which `a` offered.
    private static func established() throws -> (a: Side, b: Side) {
        var (a, b) = (Side("aaaa"), Side("bbbb"))
        try b.take(.offer, try a.offer())
        try a.take(.answer, try b.answer())
        (a.outputs, b.outputs) = ([], [])
        return (a, b)
    }

    @Test("Offer and answer: states, roles of ICE and DTLS, and the order of what has to be done")
    func firstExchange() throws {
        var (a, b) = (Side("aaaa"), Side("bbbb"))
        let offer = try a.offer()
        #expect(a.machine.state == .haveLocalOffer && offer.setup == .actpass)
        #expect(a.outputs == [.assume(.controlling), .gather, .announce])
        try b.take(.offer, offer)
        #expect(b.machine.state == .haveRemoteOffer && b.outputs == [.assume(.controlled), .announce])
        let answer = try b.answer()
        #expect(b.machine.state == .stable && b.machine.dtlsRole == .client && answer.setup == .active)
        #expect(b.outputs.suffix(2) == [.gather, .connect(offer)])
        try a.take(.answer, answer)
        #expect(a.machine.state == .stable && a.machine.dtlsRole == .server)
        #expect(a.outputs.last == .connect(answer))
    }

    @Test("An offerer that insists on being active is answered passively")
    func activeOfferer() throws {
        var (a, b) = (Side("aaaa"), Side("bbbb"))
        var offer = try a.offer()
        offer.setup = .active
        try b.take(.offer, offer)
        #expect(try b.answer().setup == .passive)
        #expect(b.machine.dtlsRole == .server)
    }

    @Test("The same offer and the same answer may be asked for again, with the same version")
    func again() throws {
        var (a, b) = (Side("aaaa"), Side("bbbb"))
        _ = try a.offer()
        let first = try a.machine.offer(iceRestart: false)
        #expect(try a.machine.offer(iceRestart: true) == first, "before the first answer every offer is the first")
        #expect(first.version == 2)
        try b.take(.offer, a.description(first))
        _ = try b.answer()
        #expect(try b.machine.answer() == b.machine.local)
    }

    @Test("What does not fit is refused, and changes nothing")
    func refused() throws {
        var (a, b) = (Side("aaaa"), Side("bbbb"))
        #expect(throws: WebRTCError.self) { try a.answer() }
        #expect(throws: WebRTCError.self) { try a.rollBack() }
        let foreign = b.description(try b.machine.offer(iceRestart: false))
        #expect(throws: WebRTCError.self) { try a.take(.answer, foreign) }
        #expect(a.machine.state == .stable && !a.machine.hasBegun && a.outputs.isEmpty)
        _ = try a.offer()
        #expect(throws: WebRTCError.self) { try a.take(.offer, foreign) }
        #expect(a.machine.state == .haveLocalOffer && a.machine.remote == nil)
        var (c, d) = (Side("cccc"), Side("dddd"))
        try d.take(.offer, try c.offer())
        #expect(throws: WebRTCError.self) { try d.offer() }
        #expect(throws: WebRTCError.self) { try d.take(.answer, foreign) }
        #expect(d.machine.state == .haveRemoteOffer)
    }

    @Test("Either side restarts: new credentials on both, roles as before, versions that grow")
    func restart() throws {
        var (a, b) = try Self.established()
        for round in 0..<4 {
            if round.isMultiple(of: 2) {
                try b.take(.offer, try a.offer(iceRestart: true))
                try a.take(.answer, try b.answer())
            } else {
                try a.take(.offer, try b.offer(iceRestart: true))
                try b.take(.answer, try a.answer())
            }
            #expect(a.generation == round + 1 && b.generation == round + 1)
            #expect(a.machine.dtlsRole == .server && b.machine.dtlsRole == .client)
            #expect(a.machine.local?.version == UInt64(3 + round) && b.machine.local?.version == UInt64(3 + round))
        }
    }

    @Test("An exchange that is no restart keeps the path; an answer must be of the kind that was offered")
    func noRestart() throws {
        var (a, b) = try Self.established()
        try b.take(.offer, try a.offer())
        let answer = try b.answer()
        var other = answer
        other.usernameFragment = "another"
        #expect(throws: WebRTCError.self) { try a.take(.answer, other) }
        try a.take(.answer, answer)
        #expect(!a.outputs.contains(.beginRestart) && !b.outputs.contains(.beginRestart))
        _ = try a.offer(iceRestart: true)
        #expect(throws: WebRTCError.self) { try a.take(.answer, answer) }
        #expect(a.machine.state == .haveLocalOffer)
    }

    @Test("The same answer once more brings candidates and nothing else")
    func repeatedAnswer() throws {
        var (a, b) = try Self.established()
        var answer = try b.answer()
        answer.candidates = [ICESimulation.candidate(TransportAddress(ipv4: 0x0A00_0001, port: 1))]
        try a.take(.answer, answer)
        #expect(a.outputs == [.add(answer.candidates)])
    }

    @Test("When both restart at once the first offerer's offer stands, and the other's is taken back")
    func glare() throws {
        var (a, b) = try Self.established()
        let (first, second) = (try a.offer(iceRestart: true), try b.offer(iceRestart: true))
        #expect(throws: WebRTCError.self) { try a.take(.offer, second) }
        try b.take(.offer, first)
        #expect(b.outputs.filter { $0 == .abandonRestart }.count == 1)
        try a.take(.answer, try b.answer())
        #expect(a.machine.state == .stable && b.machine.state == .stable)
        #expect(b.machine.takeAnnouncement().isNeeded == false, "the peer's restart was as good")
    }

    @Test("Rolled back, an offer of either side leaves everything as it was", arguments: [false, true])
    func rollBack(restart: Bool) throws {
        var (a, b) = try Self.established()
        let (local, remote) = (a.machine.local, a.machine.remote)
        let offer = try a.offer(iceRestart: restart)
        try b.take(.offer, offer)
        try a.rollBack()
        try b.rollBack()
        #expect(a.machine.state == .stable && a.machine.local == local && a.machine.remote == remote)
        #expect(a.generation == 0 && b.generation == 0)
        #expect(a.machine.takeAnnouncement().isNeeded, "what it was for is still to be negotiated")
        #expect(!b.machine.takeAnnouncement().isNeeded)
        // The next offer is of the same kind, whatever is asked for.
        try b.take(.offer, try a.offer())
        #expect(b.generation == (restart ? 2 : 0))
        try a.take(.answer, try b.answer())
    }

    @Test("When both offer first, one of them rolls back and answers")
    func firstGlare() throws {
        var (a, b) = (Side("aaaa"), Side("bbbb"))
        let offer = try a.offer()
        _ = try b.offer()
        #expect(throws: WebRTCError.self) { try b.take(.offer, offer) }
        try b.rollBack()
        try b.take(.offer, offer)
        #expect(b.outputs.contains(.assume(.controlled)))
        try a.take(.answer, try b.answer())
        #expect(a.machine.isEstablished && b.machine.isEstablished)
    }

    @Test("A restart that leads nowhere ends the exchange")
    func failedRestart() throws {
        var (a, _) = try Self.established()
        let local = a.machine.local
        _ = try a.offer(iceRestart: true)
        a.machine.restartFailed()
        #expect(a.machine.state == .stable && a.machine.local == local)
    }

    @Test("That an offer is needed is told once, and when no exchange is under way")
    func needed() throws {
        var (a, b) = (Side("aaaa"), Side("bbbb"))
        a.machine.need()
        a.machine.need()
        a.drain()
        #expect(a.outputs == [.announce])
        #expect(a.machine.takeAnnouncement() == (nil, true))
        #expect(a.machine.takeAnnouncement() == (nil, false))
        let offer = try a.offer()
        a.machine.need()
        #expect(a.machine.takeAnnouncement() == (.haveLocalOffer, false))
        try b.take(.offer, offer)
        try a.take(.answer, try b.answer())
        #expect(a.machine.takeAnnouncement() == (.stable, true))
        a.machine.need(restart: true)
        #expect(a.machine.takeAnnouncement() == (nil, true))
        #expect(try a.offer().usernameFragment == "aaaa1", "a restart was asked for")
    }

    @Test("Another certificate is refused in an offer and in an answer")
    func certificate() throws {
        var (a, b) = try Self.established()
        var offer = try a.offer(iceRestart: true)
        offer.fingerprints = [.init(algorithm: "sha-256", bytes: [1])]
        #expect(throws: WebRTCError.self) { try b.take(.offer, offer) }
        var answer = try b.answer()
        answer.fingerprints = offer.fingerprints
        #expect(throws: WebRTCError.self) { try a.take(.answer, answer) }
        #expect(b.machine.state == .stable && a.machine.state == .haveLocalOffer)
    }

    /// Whatever both sides do in whatever order: states are legal, and two that then finish an exchange agree.
    @Test("Random calls, with descriptions that are lost or late, never leave a side stuck", arguments: 1...100)
    func random(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        var sides = [Side("aaaa"), Side("bbbb")]
        var underway: [(to: Int, type: SessionDescription.DescriptionType, description: DataSessionDescription)] = []
        for _ in 0..<60 {
            let index = Int.random(in: 0..<2, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                if let offer = try? sides[index].offer(iceRestart: Bool.random(using: &random)) {
                    underway.append((1 - index, .offer, offer))
                }
            case 1:
                if let answer = try? sides[index].answer() { underway.append((1 - index, .answer, answer)) }
            case 2: try? sides[index].rollBack()
            case 3 where !underway.isEmpty: underway.remove(at: Int.random(in: 0..<underway.count, using: &random))
            default:
                guard !underway.isEmpty else { continue }
                let next = underway.removeFirst()
                try? sides[next.to].take(next.type, next.description)
            }
        }
        // Both give up what is under way; then one exchange settles everything.
        for index in sides.indices where sides[index].machine.state != .stable { try sides[index].rollBack() }
        var (a, b) = (sides[0], sides[1])
        // A side that never got an answer has no path to leave, and answers a restart with the credentials it had.
        let isRefused = a.machine.isEstablished && !b.machine.isEstablished
        try b.take(.offer, try a.offer(iceRestart: true))
        let answer = try b.answer()
        #expect(b.machine.state == .stable, "seed \(seed)")
        if isRefused {
            #expect(throws: WebRTCError.self, "seed \(seed)") { try a.take(.answer, answer) }
            try a.rollBack()
        } else {
            try a.take(.answer, answer)
        }
        #expect(a.machine.state == .stable, "seed \(seed)")
    }
}
