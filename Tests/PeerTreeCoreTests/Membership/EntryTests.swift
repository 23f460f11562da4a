import PeerTreeCore
import Testing

@Suite("Entering a tree", .timeLimit(.minutes(5)))
struct EntryTests {
    private typealias Harness = MembershipHarness

    @Test("The peer begins in the turn of the answer, before its first parent, whenever that was assigned")
    func begins() {
        for comesFirst in [false, true] {
            var harness = Harness()
            harness.feed(.serverConnected)
            #expect(harness.feed(.enter("T")).requests.map { $0.treeID } == ["T"])
            var outputs: [MembershipOutput] = []
            if comesFirst { outputs += harness.feed(.server(.assign(Harness.assignment("Q", 2)))) }
            #expect(outputs.isEmpty)
            outputs += harness.feed(.server(Harness.answer()))
            if !comesFirst { outputs += harness.feed(.server(.assign(Harness.assignment("Q", 2)))) }
            #expect(outputs.first == .begin(isSource: false, stripes: 1, parity: 0))
            #expect(outputs.dropFirst().first == .entered(tree: "T", id: "own"))
            #expect(outputs.assignedParents.map { harness.membership.name(of: $0) } == ["P", "Q"])
        }
    }

    @Test("A tree is asked for once the server is there")
    func waitsForServer() {
        var harness = Harness()
        #expect(harness.feed(.enter(nil)).isEmpty)
        let requests = harness.feed(.serverConnected).requests
        #expect(requests.count == 1)
        #expect(requests.first?.treeID == nil)
        #expect(requests.first?.stripes == 1)
    }

    @Test(
        "A source deals its stream as it is granted, but over no more stripes than it asked for",
        arguments: [
            (5, 1, 5, 1), (3, 1, 3, 1), (5, 0, 5, 0), (1, 1, 1, 0), (9, 7, 5, 1), (0, 1, 1, 0),
        ] as [(said: UInt8, UInt8, begins: UInt8, UInt8)]
    )
    func granted(stripes: UInt8, parity: UInt8, begins: UInt8, with own: UInt8) {
        var configuration = MembershipConfiguration()
        configuration.stripes = 5
        configuration.parity = 1
        var harness = Harness(configuration)
        harness.feed(.serverConnected)
        let request = harness.feed(.enter(nil)).requests.first
        #expect(request?.stripes == 5)
        #expect(request?.parity == 1)
        var additions = ServerEvent.Discovery.Additions(
            resumeToken: "token",
            stripes: stripes,
            capacity: 10,
            parents: [],
            iceServers: nil
        )
        additions.parity = parity
        let answer = ServerEvent.Discovery(id: "own", treeID: "T", peers: [], additions: additions)
        let outputs = harness.feed(.server(.discovered(answer)))
        #expect(outputs.contains(.begin(isSource: true, stripes: begins, parity: own)))
        #expect(outputs.contains(.placed(slots: 10 * Int(begins - own), depth: 0)))
    }

    @Test("A source whose server is an original one deals its stream over one tree, whatever it asked for")
    func grantedByOriginal() {
        var configuration = MembershipConfiguration()
        configuration.stripes = 5
        configuration.parity = 1
        var harness = Harness(configuration)
        harness.feed(.serverConnected)
        harness.feed(.enter(nil))
        let answer = ServerEvent.Discovery(id: "own", treeID: "T", peers: [], additions: nil)
        #expect(
            harness.feed(.server(.discovered(answer))).contains(.begin(isSource: true, stripes: 1, parity: 0))
        )
    }

    @Test("A viewer that starts while the server restarts waits for it, but not for ever")
    func serverRestarts() {
        var harness = Harness()
        harness.feed(.enter("T"))
        #expect(harness.feed(.serverUnreachable(reason: "refused", isFinal: false)).isEmpty)
        harness.pass(.seconds(3))
        #expect(harness.feed(.serverConnected).requests.count == 1)
        #expect(harness.feed(.server(Harness.answer())).contains(.entered(tree: "T", id: "own")))

        var lonely = Harness()
        lonely.feed(.enter("T"))
        lonely.feed(.serverUnreachable(reason: "refused", isFinal: false))
        #expect(lonely.pass(.milliseconds(4_900)).isEmpty)
        #expect(lonely.pass(.milliseconds(200)) == [.entryFailed(.unreachable(reason: "refused"))])
    }

    @Test("A server that will never let the client in is not waited for")
    func finalFailure() {
        var harness = Harness()
        harness.feed(.enter("T"))
        let outputs = harness.feed(.serverUnreachable(reason: "certificate", isFinal: true))
        #expect(outputs == [.entryFailed(.unreachable(reason: "certificate"))])
    }

    @Test("The question is asked again on the next socket if the first one is lost with it")
    func socketLost() {
        var harness = Harness()
        harness.feed(.serverConnected)
        harness.feed(.enter("T"))
        #expect(harness.feed(.serverLost).isEmpty)
        #expect(harness.feed(.serverConnected).requests.map { $0.treeID } == ["T"])
        #expect(harness.feed(.server(Harness.answer())).contains(.entered(tree: "T", id: "own")))
    }

    @Test("A server silent for a minute is given up, and told that nobody waits for its place")
    func silentServer() {
        var harness = Harness()
        harness.feed(.serverConnected)
        harness.feed(.enter(nil))
        let outputs = harness.pass(.seconds(60))
        #expect(outputs == [.emit(.leave), .entryFailed(.timeout)])
        #expect(harness.feed(.server(Harness.answer())).isEmpty, "the answer comes too late")
        #expect(harness.feed(.enter(nil)).requests.count == 1)
        #expect(harness.feed(.server(Harness.answer())).contains(.entered(tree: "T", id: "own")))
    }

    @Test(
        "Every refusal ends the attempt with its code, and another one may be made",
        arguments: [
            "tree-full", "server-full", "own-tree", "already-source", "unknown-resume", "already-member",
            "unknown-version", "bad-field", "needs-stripes", "forbidden", "too-many-joins", "too-many-trees",
        ] as [Text]
    )
    func refusals(code: Text) {
        var harness = Harness()
        harness.feed(.serverConnected)
        harness.feed(.enter("T"))
        let outputs = harness.feed(.server(.discoveryFailed(code: code, message: "why")))
        #expect(outputs == [.entryFailed(.refused(code: code, message: "why"))])
        #expect(harness.membership.deadline == .distantFuture)
        #expect(harness.feed(.enter("T")).requests.count == 1)
    }

    @Test("A tree that does not exist is told from other refusals, by old servers and new ones")
    func unknownTree() {
        for code in ["unknown-tree", nil] as [Text?] {
            var harness = Harness()
            harness.feed(.serverConnected)
            harness.feed(.enter("T"))
            let outputs = harness.feed(.server(.discoveryFailed(code: code, message: "Tree does not exist.")))
            #expect(outputs == [.entryFailed(.unknownTree)])
        }
    }

    @Test("The answer for another tree, and one that nobody asked for, are passed over")
    func strayAnswers() {
        var harness = Harness()
        harness.feed(.serverConnected)
        #expect(harness.feed(.server(Harness.answer())).isEmpty)
        harness.feed(.enter("T"))
        #expect(harness.feed(.server(Harness.answer("other"))).isEmpty)
        #expect(!harness.feed(.server(Harness.answer())).isEmpty)
        #expect(harness.feed(.server(Harness.answer())).isEmpty, "a doubled answer")
        #expect(harness.feed(.server(.discoveryFailed(code: "unknown-tree", message: ""))).isEmpty)
    }

    @Test("One client is in one tree")
    func oneTree() {
        var harness = Harness.viewer()
        #expect(harness.feed(.enter("T")) == [.entryFailed(.alreadyInTree)])
    }

    @Test("An original server's answer places the viewer, but not under itself or its own children")
    func originalServer() {
        var harness = Harness()
        harness.feed(.serverConnected)
        harness.feed(.enter("T"))
        func answer(_ peers: [Text]) -> MembershipInput {
            .server(.discovered(.init(id: "own", treeID: "T", peers: peers, additions: nil)))
        }
        #expect(harness.feed(answer(["P"])).assignedParents.count == 1)
        harness.feed(.server(.offer(session: "s", from: "C", sdp: "offer", isNative: false)))
        for below in ["own", "C"] as [Text] {
            #expect(harness.feed(.orphaned(stripe: 0, epoch: 0, .closed)).requests.map { $0.isNative } == [false])
            #expect(harness.feed(answer([below])).assignedParents.isEmpty)
        }
        harness.feed(.orphaned(stripe: 0, epoch: 0, .closed))
        #expect(harness.feed(answer(["Q"])).assignedParents.count == 1)
        #expect(harness.feed(.attached(stripe: 0, epoch: 0)).isEmpty, "it knows nothing of our events")
    }
}
