import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Entering a signed tree", .timeLimit(.minutes(5)))
struct SignedEntryTests {
    private typealias Machine = Client<TestBuffer, SeededGenerator>
    private let now = Instant(nanoseconds: 1_000_000_000)

    private func make(identity: SourceKey? = nil) -> Machine {
        var configuration = ClientConfiguration()
        configuration.membership.identity = identity
        return Machine(configuration, random: SeededGenerator(seed: 1), unixMicroseconds: 1, at: now)
    }

    private func feed(_ input: ClientInput<TestBuffer>, _ client: inout Machine) -> [ClientOutput<TestBuffer>] {
        client.handle(input, at: now)
        var outputs: [ClientOutput<TestBuffer>] = []
        while let output = client.nextOutput() { outputs.append(output) }
        return outputs
    }

    private func answer(_ tree: Text, key: SourceKey?) -> ClientInput<TestBuffer> {
        var additions = ServerEvent.Discovery.Additions(resumeToken: "token", stripes: 1, parents: [], iceServers: nil)
        additions.key = key
        return .server(.discovered(ServerEvent.Discovery(id: "own", treeID: tree, peers: [], additions: additions)))
    }

    private func requests(_ outputs: [ClientOutput<TestBuffer>]) -> [DiscoverRequest] {
        outputs.compactMap { if case .emit(.discover(let request)) = $0 { request } else { nil } }
    }

    private func failures(_ outputs: [ClientOutput<TestBuffer>]) -> [EntryFailure] {
        outputs.compactMap { if case .entryFailed(let failure) = $0 { failure } else { nil } }
    }

    @Test("A source signs for the socket and host that it has, and asks only then")
    func proof() throws {
        let key = try #require(TestKey.key)
        var client = make(identity: key)
        _ = feed(.serverNamed(socket: "socket", host: "tree.example"), &client)
        _ = feed(.serverConnected, &client)
        var outputs = feed(.enter(nil), &client)
        #expect(requests(outputs).isEmpty)
        let expected = try #require(CreationProof(socketID: "socket", host: "tree.example", treeID: key.treeID))
        var statements: [[UInt8]] = []
        for case .sign(.creation, let statement) in outputs { statements.append(statement) }
        #expect(statements == [SourceStatement.create(expected).signedBytes])
        let signature = try #require(TestKey.sign(statements[0]))
        outputs = feed(.signed(.creation, signature), &client)
        let request = try #require(requests(outputs).first)
        #expect(request.key == key && request.proof == signature && request.host == "tree.example")
        #expect(request.treeID == nil)
        outputs = feed(.signed(.creation, signature), &client)
        #expect(requests(outputs).isEmpty)
        outputs = feed(answer(key.treeID, key: key), &client)
        #expect(failures(outputs).isEmpty)
        #expect(client.membership.sourceKey == key)
        #expect(client.peer?.isSource == true)

        // On another socket the token is enough; the key goes along for a server that was started again.
        _ = feed(.serverLost, &client)
        outputs = feed(.serverConnected, &client)
        let again = try #require(requests(outputs).first)
        #expect(again.resumeToken == "token" && again.key == key && again.proof == nil)
    }

    @Test("A server that makes a tree of its own for a source that signs is none for it")
    func otherServer() throws {
        let key = try #require(TestKey.key)
        var client = make(identity: key)
        _ = feed(.serverConnected, &client)
        _ = feed(.enter(nil), &client)
        let outputs = feed(answer("cmwrk0123456789abcdefghij", key: nil), &client)
        #expect(failures(outputs) == [.unproven])
        #expect(client.peer == nil)
    }

    @Test("A viewer takes the key whose id it asked for, and no other, and not none")
    func viewer() throws {
        let key = try #require(TestKey.key)
        let other = try #require(SourceKey(Array(repeating: 8, count: SourceKey.length)))
        for (offered, isRight) in [(key, true), (other, false), (nil, false)] as [(SourceKey?, Bool)] {
            var client = make()
            _ = feed(.serverConnected, &client)
            _ = feed(.enter(key.treeID), &client)
            let outputs = feed(answer(key.treeID, key: offered), &client)
            #expect(failures(outputs) == (isRight ? [] : [.unproven]))
            #expect((client.peer != nil) == isRight)
            #expect(client.peer?.needsProof == (isRight ? true : nil))
        }
        // A key for an id that is not its own.
        var client = make()
        _ = feed(.serverConnected, &client)
        _ = feed(.enter("T"), &client)
        let outputs = feed(answer("T", key: key), &client)
        #expect(failures(outputs) == [.unproven])
    }

    @Test("A viewer of a signed tree is to hand the source's pulse in when it is asked, and nobody else is")
    func pulseWanted() throws {
        let key = try #require(TestKey.key)
        for (tree, key) in [(key.treeID, key), ("T", nil)] as [(Text, SourceKey?)] {
            var harness = MembershipHarness()
            harness.feed(.serverConnected)
            harness.feed(.enter(tree))
            #expect(harness.feed(.server(.pulseWanted)).isEmpty)
            guard case .server(let event) = answer(tree, key: key) else { continue }
            harness.feed(.server(event))
            #expect(harness.feed(.server(.pulseWanted)) == (key == nil ? [] : [.pulseWanted]))
        }
        var client = make(identity: key)
        _ = feed(.serverConnected, &client)
        _ = feed(.enter(nil), &client)
        _ = feed(answer(key.treeID, key: key), &client)
        #expect(feed(.server(.pulseWanted), &client).isEmpty)
        // One that has none has nothing to say.
        client = make()
        _ = feed(.serverConnected, &client)
        _ = feed(.enter(key.treeID), &client)
        _ = feed(answer(key.treeID, key: key), &client)
        #expect(feed(.server(.pulseWanted), &client).isEmpty)
    }

    @Test("Keys and proofs are written in hexadecimal, and read only so")
    func digits() throws {
        let key = try #require(TestKey.key)
        var request = DiscoverRequest()
        request.key = key
        request.proof = TestKey.sign([])
        request.host = "h"
        let written = String(decoding: ClientEvent.discover(request).payload.bytes, as: UTF8.self)
        let digits = hexadecimal(key.bytes)
        #expect(written.contains(#""key":"\#(digits)""#))
        #expect(written.contains(#""proof":"\#(hexadecimal(try #require(request.proof).bytes))","host":"h""#))
        #expect(Text(hexadecimal: [0, 0x1F, 0xA0]) == "001fa0")
        for text: Text in ["0", "0g", "AB", "g0"] { #expect(text.unhexed == nil) }
        #expect(Text("ab01").unhexed == [0xAB, 1])
    }
}
