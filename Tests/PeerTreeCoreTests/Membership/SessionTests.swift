import PeerTreeCore
import Testing

extension MembershipHarness {
    /// A link to a child that came about.
    mutating func acceptChild(_ name: Text, isNative: Bool = true) -> LinkID {
        let session = Text(name.bytes + Text("-session").bytes)
        let outputs = feed(.server(.offer(session: session, from: name, sdp: "offer", isNative: isNative)))
        guard case .accept(let link, _, _) = outputs.first else { return LinkID(0) }
        feed(.described(link, sdp: "answer"))
        feed(.channelOpened(link))
        return link
    }

    /// A session with a parent, up to its offer.
    mutating func offerParent(_ remote: RemoteID) -> (link: LinkID, session: Text) {
        guard case .connect(let link, _) = feed(.connect(remote)).first,
            case .offer(let session, _, _) = feed(.described(link, sdp: "offer")).events.first
        else { return (LinkID(0), .empty) }
        return (link, session)
    }

    /// A link to a native parent that came about.
    mutating func linkParent(_ remote: RemoteID) -> (link: LinkID, session: Text) {
        let (link, session) = offerParent(remote)
        feed(.server(.signal(session: session, .answer(sdp: "answer"), isNative: true)))
        feed(.channelOpened(link))
        return (link, session)
    }
}

@Suite("Sessions and links", .timeLimit(.minutes(5)))
struct SessionTests {
    private typealias Harness = MembershipHarness

    private func viewer(_ configuration: MembershipConfiguration = .init()) -> (Harness, parent: RemoteID) {
        var harness = Harness.viewer(configuration)
        let parent = harness.feed(.server(.assign(Harness.assignment("P", 2)))).assignedParents.first
        return (harness, parent ?? RemoteID(0))
    }

    @Test("The joiner offers; candidates follow the description on either side, however early they are found")
    func joiner() {
        var (harness, parent) = viewer()
        guard case .connect(let link, nil) = harness.feed(.connect(parent)).first else {
            Issue.record("no connection is made")
            return
        }
        #expect(harness.feed(.candidate(link, "first")).isEmpty)
        let offered = harness.feed(.described(link, sdp: "sdp")).events
        guard case .offer(let session, "P", "sdp") = offered.first else {
            Issue.record("no offer: \(offered)")
            return
        }
        #expect(offered.dropFirst() == [.signal(session: session, to: "P", .candidate("first"), isNative: false)])
        #expect(session.bytes.count == 26)
        func signal(_ signal: ServerEvent.Signal) -> MembershipInput {
            .server(.signal(session: session, signal, isNative: true))
        }
        #expect(harness.feed(.candidate(link, nil)).isEmpty, "whether P wants to hear of the end is not known")
        #expect(harness.feed(signal(.candidate("theirs"))).isEmpty)
        let answered = harness.feed(signal(.answer(sdp: "answer")))
        #expect(answered.prefix(2) == [.takeAnswer(link, sdp: "answer"), .addCandidate(link, "theirs")])
        #expect(answered.events.count == 1, "the end of the candidates")
        #expect(harness.feed(signal(.answer(sdp: "again"))).isEmpty)
        #expect(harness.feed(signal(.candidate("late"))) == [.addCandidate(link, "late")])
        #expect(harness.feed(.channelOpened(link)) == [.linkOpened(link, parent, .parent, .native)])
        #expect(harness.feed(.channelOpened(link)).isEmpty)
        #expect(harness.feed(.channelClosed(link)) == [.closeConnection(link), .linkClosed(link)])
        #expect(harness.feed(.path(link, .failed)).isEmpty)
    }

    @Test("That a path leads over a TURN server is said of links that are open, when that becomes known or changes")
    func relayed() {
        var (harness, parent) = viewer()
        let (link, session) = harness.offerParent(parent)
        harness.feed(.server(.signal(session: session, .answer(sdp: "answer"), isNative: true)))
        #expect(harness.feed(.relayed(link, true)).isEmpty)
        let opened = harness.feed(.channelOpened(link))
        #expect(opened == [.linkOpened(link, parent, .parent, .native), .linkRelayed(link, true)])
        #expect(harness.feed(.relayed(link, true)).isEmpty)
        #expect(harness.feed(.relayed(link, false)) == [.linkRelayed(link, false)])
        #expect(harness.feed(.relayed(LinkID(99), true)).isEmpty)
    }

    @Test("The parent answers whoever was sent to it, as plainly as it was asked", arguments: [true, false])
    func parent(isNative: Bool) {
        var harness = Harness.viewer()
        let offer = ServerEvent.offer(session: "s", from: "C", sdp: "offer", isNative: isNative)
        guard case .accept(let link, "offer", nil) = harness.feed(.server(offer)).first else {
            Issue.record("the offer is not taken")
            return
        }
        harness.feed(.candidate(link, nil))
        let answered = harness.feed(.described(link, sdp: "answer")).events
        #expect(answered.first == .signal(session: "s", to: "C", .answer(sdp: "answer"), isNative: isNative))
        #expect(answered.count == (isNative ? 2 : 1))
        guard case .linkOpened(link, _, .child, let mode) = harness.feed(.channelOpened(link)).first else {
            Issue.record("no link")
            return
        }
        #expect(mode == (isNative ? .native : .plain))
    }

    @Test("A session that does not become a link in time is dropped")
    func timeOut() {
        var harness = Harness.viewer()
        guard
            case .accept(let link, _, _) = harness.feed(
                .server(.offer(session: "s", from: "C", sdp: "", isNative: true))
            ).first
        else {
            Issue.record("the offer is not taken")
            return
        }
        let outputs = harness.pass(.seconds(11)).filter { $0 != .statusDue }
        #expect(outputs == [.closeConnection(link)])
    }

    @Test("Whoever offers again has given its last attempt up; the same session begins once")
    func offersAgain() {
        var harness = Harness.viewer()
        func offer(_ session: Text) -> [MembershipOutput] {
            harness.feed(.server(.offer(session: session, from: "C", sdp: "", isNative: true)))
        }
        guard case .accept(let first, _, _) = offer("one").first else {
            Issue.record("the offer is not taken")
            return
        }
        #expect(offer("one").events == [.reject(session: "one", to: "C", reason: "the session exists")])
        #expect(offer("two").first == .closeConnection(first))
    }

    @Test("A child that leaves while it connects leaves no session behind")
    func leavesHalfway() {
        var configuration = MembershipConfiguration()
        configuration.maximumSessions = 1
        var harness = Harness.viewer(configuration)
        func offer(_ child: Text) -> MembershipOutput? {
            harness.feed(.server(.offer(session: child, from: child, sdp: "", isNative: true))).first
        }
        harness.feed(.server(.admit("C", stripe: 0)))
        guard case .accept(let link, _, _) = offer("C") else {
            Issue.record("the offer is not taken")
            return
        }
        #expect(harness.feed(.server(.childGone("C", stripe: 0))).last == .closeConnection(link))
        guard case .accept = offer("D") else {
            Issue.record("no room for a child that stays")
            return
        }
    }

    @Test("There is an end to sessions, and nobody is taken in while leaving")
    func noRoom() {
        var configuration = MembershipConfiguration()
        configuration.maximumSessions = 1
        var harness = Harness.viewer(configuration)
        _ = harness.acceptChild("C")
        let offer = ServerEvent.offer(session: "s", from: "D", sdp: "", isNative: true)
        #expect(
            harness.feed(.server(offer)).events == [.reject(session: "s", to: "D", reason: "no room for another peer")]
        )
        harness.feed(.leave)
        #expect(harness.feed(.server(offer)).events == [.reject(session: "s", to: "D", reason: "leaving")])
    }

    @Test("What fails is told to the peer once, with why")
    func failures() {
        var (harness, parent) = viewer()
        var link = harness.offerParent(parent)
        #expect(
            harness.feed(.server(.reject(session: link.session)))
                == [.closeConnection(link.link), .connectFailed(parent, .refused)]
        )
        link = harness.offerParent(parent)
        #expect(
            harness.feed(.path(link.link, .failed)) == [
                .closeConnection(link.link), .connectFailed(parent, .unreachable),
            ]
        )
        #expect(harness.feed(.connectionFailed(link.link)).isEmpty)
        link = harness.offerParent(parent)
        #expect(harness.feed(.cancelConnect(parent)) == [.closeConnection(link.link)])
    }

    @Test("What was being connected while the server was away begins anew")
    func abandonedAttempts() {
        var (harness, parent) = viewer()
        let link = harness.offerParent(parent).link
        harness.feed(.serverLost)
        let outputs = harness.feed(.serverConnected)
        #expect(outputs.contains(.closeConnection(link)))
        #expect(outputs.contains(.connectFailed(parent, .unreachable)))
    }

    @Test("A dead path is renewed by whoever offered first, at most once in two seconds")
    func newPath() {
        var (harness, parent) = viewer()
        let up = harness.linkParent(parent)
        let down = harness.acceptChild("C")
        #expect(harness.feed(.path(up.link, .disconnected)) == [.restart(up.link)])
        #expect(harness.feed(.path(up.link, .disconnected)).isEmpty)
        let offer = harness.feed(.described(up.link, sdp: "new"))
        #expect(offer.events == [.signal(session: up.session, to: "P", .offer(sdp: "new"), isNative: true)])
        let answer = ServerEvent.signal(session: up.session, .answer(sdp: "theirs"), isNative: true)
        #expect(harness.feed(.server(answer)) == [.takeAnswer(up.link, sdp: "theirs")])
        #expect(harness.membership.restartCount == 1)

        let asked = harness.feed(.path(down, .disconnected)).events
        #expect(asked == [.signal(session: "C-session", to: "C", .renegotiate, isNative: true)])
        let renewed = ServerEvent.signal(session: "C-session", .offer(sdp: "new"), isNative: true)
        #expect(harness.feed(.server(renewed)) == [.answer(down, offer: "new")])
        // Two ends that ask each other would go on for ever.
        #expect(harness.feed(.server(.signal(session: "C-session", .renegotiate, isNative: true))).isEmpty)
    }

    @Test("Paths that died while the server was away are renewed once it has answered")
    func pathsAfterwards() {
        var (harness, parent) = viewer()
        let link = harness.linkParent(parent).link
        harness.feed(.serverLost)
        #expect(harness.feed(.path(link, .disconnected)).isEmpty)
        harness.feed(.serverConnected)
        #expect(harness.feed(.server(Harness.answer())).contains(.restart(link)))
    }

    @Test("A lost address brings new paths and a new socket")
    func network() {
        var harness = Harness.viewer()
        #expect(harness.feed(.networkChanged(isLost: false)).isEmpty)
        #expect(harness.feed(.networkChanged(isLost: true)) == [.reconnectServer])
    }

    @Test("A closed link lasts until what was sent is out, longer for those who do not say what they have")
    func closing() {
        for (isNative, patience) in [(true, TimeSpan.milliseconds(300)), (false, .seconds(2))] {
            var configuration = MembershipConfiguration()
            configuration.statusInterval = nil
            var harness = Harness.viewer(configuration)
            let link = harness.acceptChild("C", isNative: isNative)
            #expect(harness.feed(.close(link)) == [.closeChannel(link)])
            #expect(harness.membership.deadline == harness.now + patience)
            #expect(harness.pass(patience) == [.closeConnection(link)])
        }
    }

    @Test("Children are known by the names they were announced by, and a report that was lost is repeated")
    func children() {
        var harness = Harness.viewer()
        guard case .admitted(let child, 0) = harness.feed(.server(.admit("C", stripe: 0))).first else {
            Issue.record("the child is not announced")
            return
        }
        let link = harness.acceptChild("C")
        #expect(harness.feed(.server(.suspect("C"))).isEmpty, "the link will tell")
        harness.feed(.channelClosed(link))
        #expect(harness.feed(.server(.suspect("C"))).events == [.childLost("C", .closed)])
        #expect(harness.feed(.server(.childGone("C", stripe: 0))) == [.childReleased(child, stripe: 0)])
        #expect(harness.feed(.server(.suspect("C"))).isEmpty)
    }

    @Test("A relay that many come to and leave forgets them, but none that it still needs")
    func forgets() {
        var (harness, parent) = viewer()
        let stays = harness.acceptChild("stays")
        for number in 0..<10_000 {
            let name = Text([UInt8(number >> 8), UInt8(number & 255), 1])
            let link = harness.acceptChild(name)
            harness.feed(.channelClosed(link))
        }
        #expect(harness.membership.rememberedNames < 200)
        #expect(harness.membership.name(of: parent) == "P")
        harness.feed(.close(stays))
        #expect(harness.feed(.childLost(RemoteID(2), .silent)).events == [.childLost("stays", .silent)])
    }

    @Test("The peer learns how many children it may have, and where it is, whenever that changes")
    func place() {
        var harness = MembershipHarness()
        harness.feed(.serverConnected)
        harness.feed(.enter("T"))
        func answer(_ capacity: Int?, stripes: UInt8) -> MembershipInput {
            .server(
                .discovered(
                    .init(
                        id: "own",
                        treeID: "T",
                        peers: [],
                        additions: .init(
                            resumeToken: "token",
                            stripes: stripes,
                            capacity: capacity,
                            parents: [],
                            iceServers: nil
                        )
                    )
                )
            )
        }
        func places(_ outputs: [MembershipOutput]) -> [MembershipOutput] {
            outputs.filter { if case .placed = $0 { true } else { false } }
        }
        #expect(places(harness.feed(answer(4, stripes: 2))) == [.placed(slots: 8, depth: 0)])
        #expect(places(harness.feed(.server(.place(depth: 3)))) == [.placed(slots: 8, depth: 3)])
        #expect(places(harness.feed(.server(.place(depth: 3)))).isEmpty)
        #expect(places(harness.feed(.server(.resume("t", capacity: 0)))) == [.placed(slots: 0, depth: 3)])
        #expect(places(harness.feed(.server(.resume("t", capacity: nil)))).isEmpty)
        var old = MembershipHarness()
        old.feed(.serverConnected)
        old.feed(.enter("T"))
        let original = ServerEvent.discovered(.init(id: "own", treeID: "T", peers: ["P"], additions: nil))
        #expect(
            places(old.feed(.server(original))) == [.placed(slots: nil, depth: 0)],
            "an original server names nobody"
        )
    }

    @Test("Peers that the server has not named take up a few sessions, and keep none out that it has")
    func strangers() {
        var configuration = MembershipConfiguration()
        configuration.maximumSessions = 20
        configuration.maximumStrangers = 3
        var (harness, _) = viewer(configuration)
        func offer(_ name: Text) -> Bool {
            let session = Text(name.bytes + Text("-session").bytes)
            let outputs = harness.feed(.server(.offer(session: session, from: name, sdp: "offer", isNative: true)))
            if case .accept = outputs.first { return true }
            return false
        }
        #expect(["S1", "S2", "S3", "S4", "S5"].map(offer) == [true, true, true, false, false])
        harness.feed(.server(.admit("C", stripe: 0)))
        #expect(offer("C"))
        harness.feed(.server(.admit("S1", stripe: 0)))
        #expect(offer("S4"), "one of the three is no stranger any more")
    }
}
