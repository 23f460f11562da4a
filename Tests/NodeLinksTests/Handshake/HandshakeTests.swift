import NIOCore
import NodeLinks
import TestSupport
import Testing

/// The proof of both ends, and whoever tries to do without the secret.
@Suite(.timeLimit(.minutes(1)))
struct HandshakeTests {
    private static let now = NIODeadline.uptimeNanoseconds(0)
    private static let limit = now + .seconds(5)
    private static let (dialerCertificate, acceptorCertificate, foreign): ([UInt8], [UInt8], [UInt8]) = ([1], [2], [3])

    private func end(
        _ role: LinkRole,
        _ name: String,
        secrets: [String] = ["a secret of the tests"],
        expected: String? = nil,
        other: [UInt8]? = nil,
        versions: LinkVersions = .spoken,
        seed: UInt64 = 1
    ) throws -> Handshake {
        var random = SeededGenerator(seed: seed &+ UInt64(role.rawValue) &* 1_000)
        var identity = LinkIdentity(
            name: try #require(NodeName(name)),
            run: LinkID(using: &random),
            secrets: try LinkSecrets(secrets.map { Array($0.utf8) })
        )
        identity.versions = versions
        let isDialer = role == .dialer
        let certificates = LinkCertificates(
            own: isDialer ? Self.dialerCertificate : Self.acceptorCertificate,
            other: other ?? (isDialer ? Self.acceptorCertificate : Self.dialerCertificate)
        )
        return Handshake(
            role,
            identity,
            expected: expected.flatMap(NodeName.init),
            certificates: certificates,
            nonce: LinkNonce(using: &random),
            limit: Self.limit
        )
    }

    /// Lets both speak, and says how it ends for each: who was proven, or why not.
    private func run(_ dialer: Handshake, _ acceptor: Handshake) -> [String] {
        var ends = [dialer, acceptor]
        var outcomes = ["", ""]
        var isMoving = true
        while isMoving {
            isMoving = false
            for end in 0...1 {
                while let output = ends[end].nextOutput() {
                    isMoving = true
                    switch output {
                    case .send(let frame): ends[1 - end].handle(.frame(carried(frame)), at: Self.now)
                    case .proven(let node): outcomes[end] = "proven: \(node.name)"
                    case .refused(let refusal, let by): outcomes[end] = "\(by): \(refusal)"
                    }
                }
            }
        }
        return outcomes
    }

    /// As it is after its way over the wire.
    private func carried(_ frame: LinkFrame) -> LinkFrame {
        var (bytes, reader) = (ByteBuffer(), FrameReader())
        frame.write(to: &bytes)
        reader.append(bytes)
        guard let body = try? reader.next(limit: 512), let read = try? LinkFrame(reading: body) else { return frame }
        return read
    }

    /// What an end says first.
    private func said(_ handshake: inout Handshake) -> [LinkFrame] {
        var frames: [LinkFrame] = []
        while let output = handshake.nextOutput() { if case .send(let frame) = output { frames.append(frame) } }
        return frames
    }

    @Test("two nodes that know the secret know each other's names")
    func proven() throws {
        #expect(run(try end(.dialer, "a"), try end(.acceptor, "b")) == ["proven: b", "proven: a"])
    }

    @Test("one secret in common is enough, whichever", arguments: [["old"], ["new"], ["old", "new"], ["new", "old"]])
    func rotation(secrets: [String]) throws {
        func long(_ secrets: [String]) -> [String] { secrets.map { $0 + " secret of the tests" } }
        let dialer = try end(.dialer, "a", secrets: long(secrets))
        let acceptor = try end(.acceptor, "b", secrets: long(["new", "old"]))
        #expect(run(dialer, acceptor) == ["proven: b", "proven: a"])
    }

    @Test("refusals say why, to both")
    func refusals() throws {
        let other = ["quite another secret"]
        #expect(
            run(try end(.dialer, "a", secrets: other), try end(.acceptor, "b"))
                == ["other: \(LinkRefusal.wrongSecret)", "this: \(LinkRefusal.wrongSecret)"]
        )
        #expect(run(try end(.dialer, "a"), try end(.acceptor, "a"))[1].hasPrefix("this: both ends are called 'a'"))
        let next = LinkVersions(oldest: 2, newest: 3)
        #expect(
            run(try end(.dialer, "a"), try end(.acceptor, "b", versions: next))
                == ["other: only versions 2 to 3 are spoken here", "this: only versions 2 to 3 are spoken here"]
        )
        #expect(run(try end(.dialer, "a", expected: "c"), try end(.acceptor, "b"))[0].hasPrefix("this: 'c' was dialed"))
    }

    @Test("a proof counts between the certificates that both have seen only", arguments: [LinkRole.dialer, .acceptor])
    func otherCertificate(role: LinkRole) throws {
        let dialer = try end(.dialer, "a", other: role == .dialer ? Self.foreign : nil)
        let acceptor = try end(.acceptor, "b", other: role == .acceptor ? Self.foreign : nil)
        #expect(run(dialer, acceptor) == ["other: \(LinkRefusal.wrongSecret)", "this: \(LinkRefusal.wrongSecret)"])
    }

    @Test("an acceptor says nothing that is made with the secret before the dialer has proved it")
    func firstProof() throws {
        var (dialer, acceptor) = (try end(.dialer, "a"), try end(.acceptor, "b"))
        for frame in said(&dialer) { acceptor.handle(.frame(frame), at: Self.now) }
        let words = said(&acceptor)
        #expect(words.count == 1)
        guard case .hello? = words.first else { return #expect(Bool(false), "\(words)") }
    }

    @Test("a proof of one connection is none on another")
    func replay() throws {
        var (dialer, acceptor) = (try end(.dialer, "a"), try end(.acceptor, "b"))
        let hello = said(&dialer)
        for frame in hello { acceptor.handle(.frame(frame), at: Self.now) }
        for frame in said(&acceptor) { dialer.handle(.frame(frame), at: Self.now) }
        let proof = said(&dialer)
        var next = try end(.acceptor, "b", seed: 2)
        for frame in hello + proof { next.handle(.frame(frame), at: Self.now) }
        #expect(said(&next).contains(.refuse(.wrongSecret)))
    }

    @Test("a node's own proof, sent back to it, is none")
    func reflection() throws {
        var dialer = try end(.dialer, "a")
        // Whoever stands there knows no secret: it says hello with a name and a nonce of its own.
        var mute = try end(.acceptor, "b", secrets: ["quite another secret"])
        for frame in said(&dialer) { mute.handle(.frame(frame), at: Self.now) }
        for frame in said(&mute) { dialer.handle(.frame(frame), at: Self.now) }
        for frame in said(&dialer) { dialer.handle(.frame(frame), at: Self.now) }
        #expect(said(&dialer) == [.refuse(.wrongSecret)])
        var itself = try end(.acceptor, "b")
        var hellos = try end(.dialer, "a")
        for frame in said(&hellos) { itself.handle(.frame(frame), at: Self.now) }
        for frame in said(&itself) { itself.handle(.frame(frame), at: Self.now) }
        #expect(said(&itself).contains { if case .refuse(.violation) = $0 { true } else { false } })
    }

    @Test("whoever takes too long is refused")
    func tooSlow() throws {
        var acceptor = try end(.acceptor, "b")
        acceptor.handle(.deadlineReached, at: Self.limit - .nanoseconds(1))
        #expect(said(&acceptor).isEmpty)
        acceptor.handle(.deadlineReached, at: Self.limit)
        #expect(said(&acceptor) == [.refuse(.tooSlow)])
        #expect(acceptor.deadline == nil)
    }

    @Test("secrets that can be guessed, none and three are refused")
    func secrets() {
        let long = [UInt8](repeating: 1, count: 16)
        #expect(throws: LinkSecretsError.tooShort(bytes: 15)) { try LinkSecrets([Array(long.dropLast())]) }
        #expect(throws: LinkSecretsError.count(0)) { try LinkSecrets([]) }
        #expect(throws: LinkSecretsError.count(3)) { try LinkSecrets([long, long, long]) }
    }
}
