import TestSupport
import Testing

@testable import PeerTreeCore

/// A cipher that shows what it was given: the ciphertext is the payload, the tag says whether all else is as it was.
private enum ToyCipher {
    static func seal(_ payload: TestBuffer, _ seal: MessageSeal) -> TestBuffer {
        TestBuffer(bytes: Array(payload.bytes) + tag(seal))
    }

    static func open(_ sealed: [UInt8], _ seal: MessageSeal) -> TestBuffer? {
        let payload = sealed.dropLast(MessageSeal.tagLength)
        return Array(sealed.suffix(MessageSeal.tagLength)) == tag(seal) ? TestBuffer(bytes: Array(payload)) : nil
    }

    private static func tag(_ seal: MessageSeal) -> [UInt8] {
        Array(SHA256Hasher.hash(seal.streamID + seal.nonce + seal.authenticated).bytes.prefix(MessageSeal.tagLength))
    }
}

/// A viewer, and what its application hears.
private struct Viewer {
    var client: Client<TestBuffer, SeededGenerator>

    init(hasSecret: Bool = true) {
        var configuration = ClientConfiguration()
        configuration.membership.isEncrypted = hasSecret
        client = Client(
            configuration,
            random: SeededGenerator(seed: 1),
            unixMicroseconds: 1,
            at: Instant(nanoseconds: 1)
        )
    }

    /// Takes what the stream brings, and says what comes of it: texts, codes, gaps, ends, and what the host is to open.
    mutating func take(_ output: ClientOutput<TestBuffer>) -> [String] {
        client.tell(output)
        return heard()
    }

    mutating func opened(_ text: String?) -> [String] {
        client.handle(.opened(text.map { TestBuffer(bytes: Array($0.utf8)) }), at: Instant(nanoseconds: 1))
        return heard()
    }

    private mutating func heard() -> [String] {
        var words: [String] = []
        while let output = client.nextOutput() {
            switch output {
            case .deliver(let message):
                words.append(String(decoding: message.parts.flatMap { $0.bytes }, as: UTF8.self))
            case .unreadable(let reason): words.append("\(reason.code)")
            case .gap: words.append("gap")
            case .ended: words.append("end")
            case .open(let seal, let parts):
                let plain = ToyCipher.open(parts.flatMap { $0.bytes }, seal)
                words.append("open " + (plain.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "-"))
            default: words.append("?")
            }
        }
        return words
    }

    /// What becomes of a message that the host opens at once.
    mutating func outcome(_ message: Message<TestBuffer>) -> [String] {
        let words = take(.deliver(message))
        guard let word = words.first, word.hasPrefix("open ") else { return words }
        return opened(word == "open -" ? nil : String(word.dropFirst(5)))
    }
}

@Suite("What a viewer has opened, and what it leaves out", .timeLimit(.minutes(5)))
struct EncryptionRulesTests {
    private let first = SignedStreamID(high: 1, low: 2)
    private let second = SignedStreamID(high: 1, low: 3)

    /// A message as it comes, in parts of so many bytes.
    private func message(
        _ text: String,
        of streamID: SignedStreamID?,
        sequence: UInt64 = 0,
        options: MessageOptions = MessageOptions(),
        parts length: Int = 1000
    ) -> Message<TestBuffer> {
        var bytes = Array(text.utf8)
        if let streamID {
            let seal = MessageSeal(streamID: streamID, sequence: sequence, options)
            bytes = seal.streamID + ToyCipher.seal(TestBuffer(bytes: bytes), seal).bytes
        }
        return Message(
            parts: stride(from: 0, to: bytes.count, by: length).map { start in
                TestBuffer(bytes: Array(bytes[start..<min(start + length, bytes.count)]))
            },
            sequence: sequence,
            lastSequence: sequence,
            timestamp: 1,
            isText: options.isText,
            isJoinPoint: options.isJoinPoint,
            retainedKey: options.retainedKey,
            isEncrypted: streamID != nil
        )
    }

    @Test("A viewer is told once whether its key is missing, another one, or of a broadcast that is not encrypted")
    func reasons() {
        var keyless = Viewer(hasSecret: false)
        #expect(keyless.outcome(message("x", of: first)) == ["secret-missing"])
        #expect(keyless.outcome(message("x", of: first)).isEmpty)
        #expect(keyless.outcome(message("x", of: nil)) == ["x"])
        var viewer = Viewer()
        #expect(viewer.outcome(message("x", of: nil)) == ["not-encrypted"])
        var strange = message("x", of: first)
        strange.sequence = 7
        #expect(viewer.outcome(strange) == ["wrong-secret"])
        #expect(viewer.outcome(message("x", of: first)) == ["x"])
        #expect(viewer.outcome(strange) == ["changed", "gap"])
        #expect(viewer.outcome(strange) == ["gap"])
    }

    @Test("Marks and number are those that were sealed, however the message was cut", arguments: [16, 17, 1000])
    func marks(length: Int) {
        var viewer = Viewer()
        let options = MessageOptions(isText: true, isJoinPoint: true, retainedKey: 3)
        let sealed = message("picture", of: first, sequence: 5, options: options, parts: length)
        #expect(viewer.outcome(sealed) == ["picture"])
        var others = Array(repeating: sealed, count: 5)
        others[0].isText = false
        others[1].isJoinPoint = false
        others[2].retainedKey = nil
        others[3].retainedKey = 4
        others[4].sequence = 6
        for other in others { #expect(viewer.outcome(other).last == "gap") }
        #expect(viewer.outcome(sealed) == ["picture"])
    }

    @Test("What is too short to have been sealed is not given to the host", arguments: 0..<MessageSeal.overhead)
    func short(length: Int) {
        var viewer = Viewer()
        var short = message("", of: first)
        short.parts = [TestBuffer(bytes: Array(repeating: 0, count: length))]
        #expect(viewer.take(.deliver(short)) == ["wrong-secret"])
        let whole = message("x", of: first, parts: 15)
        #expect(viewer.take(.deliver(whole)).isEmpty)
    }

    @Test("Nobody goes back to a stream before the one whose messages were opened last")
    func streams() {
        var viewer = Viewer()
        #expect(viewer.outcome(message("one", of: first)) == ["one"])
        #expect(viewer.outcome(message("two", of: second)) == ["two"])
        #expect(viewer.outcome(message("three", of: first, sequence: 9)) == ["changed", "gap"])
        #expect(viewer.outcome(message("four", of: second, sequence: 1)) == ["four"])
    }

    @Test("What is said of the stream waits its turn behind the message that is being opened")
    func order() {
        var viewer = Viewer()
        #expect(viewer.take(.deliver(message("one", of: first))) == ["open one"])
        #expect(viewer.take(.gap(Gap(range: SequenceRange(start: 1, end: 2), isSkip: false))).isEmpty)
        #expect(viewer.take(.deliver(message("two", of: first, sequence: 2))).isEmpty)
        #expect(viewer.take(.ended(.complete)).isEmpty)
        #expect(viewer.opened("one") == ["one", "gap", "open two"])
        #expect(viewer.opened(nil) == ["changed", "gap", "end"])
        #expect(viewer.opened("nothing that was asked for").isEmpty)
    }
}

/// A source that has a secret.
private struct Source {
    typealias Machine = Client<TestBuffer, SeededGenerator>
    var client: Machine
    private let now = Instant(nanoseconds: 1_000_000_000)

    init(identity: SourceKey? = nil) {
        var configuration = ClientConfiguration()
        configuration.membership.isEncrypted = true
        configuration.membership.identity = identity
        client = Machine(configuration, random: SeededGenerator(seed: 1), unixMicroseconds: 1, at: now)
        _ = feed(.serverConnected)
        _ = feed(.enter(nil))
        var additions = ServerEvent.Discovery.Additions(resumeToken: "t", stripes: 1, parents: [], iceServers: nil)
        additions.key = identity
        let tree = identity?.treeID ?? "tree"
        let answer = ServerEvent.Discovery(id: "own", treeID: tree, peers: [], additions: additions)
        _ = feed(.server(.discovered(answer)))
    }

    mutating func feed(_ input: ClientInput<TestBuffer>) -> [ClientOutput<TestBuffer>] {
        client.handle(input, at: now)
        var outputs: [ClientOutput<TestBuffer>] = []
        while let output = client.nextOutput() { outputs.append(output) }
        return outputs
    }

    mutating func write(_ text: String) -> [ClientOutput<TestBuffer>] {
        feed(.publish(TestBuffer(bytes: Array(text.utf8)), MessageOptions()))
    }
}

@Suite("A source that encrypts", .timeLimit(.minutes(5)))
struct EncryptedSourceTests {
    private func seals(_ outputs: [ClientOutput<TestBuffer>]) -> [MessageSeal] {
        outputs.compactMap { if case .seal(let seal, _) = $0 { seal } else { nil } }
    }

    @Test("One message is sealed at a time, for the number that it gets, and the end comes behind all")
    func oneAtATime() throws {
        var source = Source()
        let one = try #require(seals(source.write("one")).first)
        #expect(source.client.writability == .blocked)
        #expect(source.write("two").isEmpty)
        #expect(source.feed(.finish).isEmpty)
        #expect(source.client.peer?.nextSequence == 0)
        let two = try #require(seals(source.feed(.sealed(TestBuffer(bytes: [1])))).first)
        #expect(one.streamID == two.streamID && one.nonce.last == 0 && two.nonce.last == 1)
        #expect(source.client.peer?.isEnded == false)
        _ = source.feed(.sealed(TestBuffer(bytes: [2])))
        #expect(source.client.peer?.isEnded == true)
    }

    @Test("Who was told to wait while a message was sealed is told that it is over")
    func writable() {
        var source = Source()
        _ = source.write("one")
        let outputs = source.feed(.sealed(TestBuffer(bytes: [1])))
        #expect(outputs.contains { if case .writable = $0 { true } else { false } })
        #expect(source.client.writability == .writable)
    }

    @Test("Sealed messages and signed blocks have the same stream id")
    func streamID() throws {
        var source = Source(identity: TestKey.key)
        let seal = try #require(seals(source.write("one")).first)
        var statements: [[UInt8]] = []
        for case .sign(.block, let statement) in source.feed(.sealed(TestBuffer(bytes: [1]))) {
            statements.append(statement)
        }
        let statement = try #require(statements.first)
        let places = 0...(statement.count - seal.streamID.count)
        #expect(places.contains { Array(statement[$0..<($0 + 16)]) == seal.streamID })
    }

    @Test("What encryption adds to a message counts for the limit")
    func limit() {
        var configuration = ClientConfiguration()
        configuration.peer.maximumMessageBytes = 100
        #expect(throws: Never.self) { try configuration.checkMessage(bytes: 100) }
        configuration.membership.isEncrypted = true
        #expect(throws: Never.self) { try configuration.checkMessage(bytes: 68) }
        let refusal = PublishError.messageTooLarge(bytes: 69, limit: 68)
        #expect(throws: refusal) { try configuration.checkMessage(bytes: 69) }
    }
}
