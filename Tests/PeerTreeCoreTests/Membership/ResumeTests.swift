import PeerTreeCore
import Testing

@Suite("Keeping a place", .timeLimit(.minutes(5)))
struct ResumeTests {
    private typealias Harness = MembershipHarness

    @Test("After a blip the place is resumed with the newest token, also after days")
    func blip() {
        var harness = Harness.viewer()
        harness.feed(.server(.resume("renewed", capacity: nil)))
        harness.pass(.seconds(25 * 3_600))
        #expect(harness.feed(.serverLost) == [.serverLost])
        harness.pass(.seconds(60))
        let outputs = harness.feed(.serverConnected)
        #expect(outputs.first == .serverBack)
        #expect(outputs.requests.map { $0.resumeToken } == ["renewed"])
        let answered = harness.feed(.server(Harness.answer(token: "third", parents: [Harness.assignment("P", 1)])))
        #expect(answered.assignedParents.count == 1)
        harness.feed(.serverLost)
        #expect(harness.feed(.serverConnected).requests.map { $0.resumeToken } == ["third"])
    }

    @Test("Nothing is said to a server that is away; the reports it missed are in the question that follows")
    func silentWhileAway() {
        var harness = Harness.viewer()
        harness.feed(.serverLost)
        #expect(harness.feed(.attached(stripe: 0, epoch: 1)).isEmpty)
        #expect(harness.feed(.orphaned(stripe: 0, epoch: 1, .silent)).isEmpty)
        #expect(harness.pass(.seconds(60)).isEmpty)
    }

    @Test("A server that was started again may lack parents, which it assigns once they are back")
    func restarted() {
        var harness = Harness.viewer()
        harness.feed(.server(.assign(Harness.assignment("Q", 7, depth: 3))))
        harness.feed(.serverLost)
        harness.feed(.serverConnected)
        #expect(harness.feed(.server(Harness.answer(parents: []))).assignedParents.isEmpty)
        // Its epochs begin anew.
        #expect(harness.feed(.server(.assign(Harness.assignment("Q", 1, depth: 0)))).assignedParents.count == 1)
        #expect(harness.membership.depth == 3, "a server that does not know the depth says 0")
        harness.feed(.server(.place(depth: 2)))
        #expect(harness.membership.depth == 2)
    }

    @Test("A viewer that the server has forgotten joins anew; a source has lost its tree and is told")
    func forgotten() {
        var viewer = Harness.viewer()
        viewer.feed(.serverLost)
        viewer.feed(.serverConnected)
        let again = viewer.feed(.server(.discoveryFailed(code: "unknown-resume", message: ""))).requests
        #expect(again.map { $0.resumeToken } == [nil])
        #expect(again.map { $0.treeID } == ["T"])

        var source = Harness.source()
        source.feed(.serverLost)
        source.feed(.serverConnected)
        #expect(source.feed(.server(.discoveryFailed(code: "unknown-resume", message: ""))) == [.treeLost])
        #expect(source.feed(.server(.end)).isEmpty, "once")
    }

    @Test("The end of a tree is told to viewers and to the source")
    func end() {
        var viewer = Harness.viewer()
        #expect(viewer.feed(.server(.end)) == [.treeEnded])
        var source = Harness.source()
        #expect(source.feed(.server(.end)) == [.treeLost])
    }

    @Test(
        "A place that may be free in a moment is asked for again",
        arguments: ["tree-full", "server-full", "too-many-joins"] as [Text]
    )
    func transient(code: Text) {
        for make in [Harness.viewer, Harness.source] {
            var harness = make(MembershipConfiguration())
            harness.feed(.serverLost)
            harness.feed(.serverConnected)
            for _ in 0..<3 {
                #expect(harness.feed(.server(.discoveryFailed(code: code, message: ""))).isEmpty)
                #expect(harness.pass(.milliseconds(1_900)).requests.isEmpty)
                #expect(harness.pass(.milliseconds(1_200)).requests.map { $0.resumeToken } == ["token"])
            }
        }
    }

    @Test(
        "Every other refusal of a place ends the membership",
        arguments: ["unknown-tree", "forbidden", "own-tree", "bad-field", "unknown-version", "needs-stripes"] as [Text]
    )
    func finalRefusals(code: Text) {
        var harness = Harness.viewer()
        harness.feed(.serverLost)
        harness.feed(.serverConnected)
        #expect(harness.feed(.server(.discoveryFailed(code: code, message: ""))) == [.treeEnded])
        harness.feed(.serverLost)
        #expect(harness.feed(.serverConnected).requests.isEmpty)
    }

    @Test("A question that is not answered is asked again, once in ten seconds")
    func silentServer() {
        var harness = Harness.viewer()
        harness.feed(.serverLost)
        harness.feed(.serverConnected)
        #expect(harness.pass(.seconds(60)).requests.count == 6)
        #expect(harness.feed(.server(Harness.answer())).assignedParents.count == 1)
        #expect(harness.pass(.seconds(60)).requests.isEmpty)
    }

    @Test("A refusal that nobody asked for changes nothing")
    func strayRefusal() {
        var harness = Harness.viewer()
        #expect(harness.feed(.server(.discoveryFailed(code: "unknown-tree", message: ""))).isEmpty)
    }

    @Test(
        "Who lost its place asks for another, without the old token",
        arguments: ["attach-timeout", "resumed-elsewhere"] as [Text]
    )
    func lostPlace(code: Text) {
        var harness = Harness.viewer()
        let outputs = harness.feed(.server(.refused(code: code, message: "why")))
        #expect(outputs.first == .refused(code: code, message: "why"))
        #expect(outputs.requests.map { $0.resumeToken } == [nil])
        #expect(harness.feed(.server(.refused(code: code, message: "why"))).requests.isEmpty, "asked already")
    }

    @Test("A server that does not know its member is reminded")
    func notAMember() {
        var harness = Harness.viewer()
        let requests = harness.feed(.server(.refused(code: "not-a-member", message: ""))).requests
        #expect(requests.map { $0.resumeToken } == ["token"])
    }

    @Test("Assignments are taken once each and in order, whatever order they come in")
    func assignments() {
        var harness = Harness.viewer()
        #expect(harness.feed(.server(.assign(Harness.assignment("B", 3)))).assignedParents.count == 1)
        #expect(harness.feed(.server(.assign(Harness.assignment("A", 2)))).assignedParents.isEmpty)
        #expect(harness.feed(.server(.assign(Harness.assignment(nil, 4)))).assignedParents.isEmpty)
        #expect(harness.feed(.server(.assign(Harness.assignment("B", 3)))).assignedParents.isEmpty)
        var beyond = Harness.assignment("C", 9)
        beyond.stripe = 1
        #expect(harness.feed(.server(.assign(beyond))).assignedParents.isEmpty)
    }

    @Test("Credentials are renewed at four fifths of their time, and asked for until they come")
    func credentials() {
        var harness = Harness()
        harness.feed(.serverConnected)
        harness.feed(.enter(nil))
        let advice = ICEServerAdvice(list: "[]", lifetime: .seconds(100))
        harness.feed(.server(Harness.answer(parents: [], iceServers: advice)))
        #expect(harness.pass(.milliseconds(79_900)).events.isEmpty)
        #expect(harness.pass(.milliseconds(200)).events == [.iceServers])
        #expect(harness.pass(.seconds(10)).events == [.iceServers])
        harness.feed(.server(.iceServers(advice)))
        #expect(harness.pass(.seconds(79)).events.isEmpty)
    }

    @Test("Reports are as rare as the server wants them, and no more frequent than the client does")
    func reports() {
        var harness = Harness.viewer()
        func reports(_ outputs: [MembershipOutput]) -> Int { outputs.filter { $0 == .statusDue }.count }
        #expect(reports(harness.pass(.seconds(20))) == 10)
        harness.feed(.server(.statusInterval(.seconds(10))))
        #expect(reports(harness.pass(.seconds(20))) == 2)
        harness.feed(.server(.statusInterval(.milliseconds(1))))
        #expect(reports(harness.pass(.seconds(20))) == 10)
        var source = Harness.source()
        #expect(source.pass(.seconds(20)).isEmpty)
    }

    @Test("Whoever leaves says so, hands over, and is gone once what it sent is out")
    func leaving() {
        var harness = Harness.viewer()
        let child = harness.acceptChild("C")
        #expect(harness.feed(.leave) == [.emit(.leave), .handOver])
        #expect(harness.feed(.leave).isEmpty)
        #expect(harness.feed(.close(child)) == [.closeChannel(child)])
        #expect(harness.feed(.left).isEmpty)
        #expect(harness.feed(.channelClosed(child)) == [.closeConnection(child), .left])
        #expect(harness.membership.deadline == .distantFuture)
    }

    @Test("Whoever stops says goodbye and drops everything at once")
    func stopping() {
        var harness = Harness.viewer()
        let child = harness.acceptChild("C")
        #expect(harness.feed(.stop) == [.emit(.leave), .closeConnection(child), .left])
        #expect(harness.feed(.serverConnected).isEmpty)
    }
}
