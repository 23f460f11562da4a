import TestSupport
import Testing

@testable import PeerTreeCore

@Suite("Events of signalling as JSON", .timeLimit(.minutes(5)))
struct SignallingCodecTests {
    private func text(_ text: Text) -> String {
        String(decoding: text.bytes, as: UTF8.self)
    }

    @Test("What a client says is in the members and the order of the original's frames")
    func written() {
        let join = DiscoverRequest(treeID: "T", agent: "A", capacity: 4)
        var resume = DiscoverRequest(treeID: "T", agent: "A", resumeToken: "R")
        resume.place = [
            .init(role: .parent, id: "P", session: "s", stripe: 0, epoch: 3),
            .init(role: .child, id: "C", session: "t", stripe: 1, epoch: 0),
        ]
        var coded = DiscoverRequest(agent: "A", stripes: 5)
        coded.parity = 1
        let version = SignallingVersion.current
        let expected: [(ClientEvent, String)] = [
            (
                .discover(DiscoverRequest(agent: "A", stripes: 2)),
                #"{"createNew":true,"peerTree":{"v":\#(version),"agent":"A","stripes":2}}"#
            ),
            (
                .discover(coded),
                #"{"createNew":true,"peerTree":{"v":\#(version),"agent":"A","stripes":5,"parity":1}}"#
            ),
            (.discover(join), #"{"treeID":"T","peerTree":{"v":\#(version),"agent":"A","capacity":4}}"#),
            (.discover(DiscoverRequest(treeID: "T", isNative: false)), #"{"treeID":"T"}"#),
            (
                .discover(resume),
                #"{"treeID":"T","peerTree":{"v":\#(version),"agent":"A","resume":"R","place":{"#
                    + #""parents":[{"stripe":0,"id":"P","session":"s","epoch":3}],"#
                    + #""children":[{"stripe":1,"id":"C","session":"t"}]}}}"#
            ),
            (
                .offer(session: "s", to: "P", sdp: "v=0\r\n"),
                #"{"signal":{"type":"offer","sdp":"v=0\r\n"},"metadata":{"peerTree":{"v":\#(version)}},"#
                    + #""sessionId":"s","target":"P"}"#
            ),
            (
                .signal(session: "s", to: "P", .answer(sdp: "x"), isNative: false),
                #"{"signal":{"type":"answer","sdp":"x"},"metadata":null,"sessionId":"s","target":"P"}"#
            ),
            (
                .signal(session: "s", to: "P", .candidate(#"{"candidate":"c"}"#), isNative: true),
                #"{"signal":{"candidate":{"candidate":"c"}},"metadata":null,"sessionId":"s","target":"P"}"#
            ),
            (
                .signal(session: "s", to: "P", .renegotiate, isNative: true),
                #"{"signal":{"renegotiate":true},"metadata":null,"sessionId":"s","target":"P"}"#
            ),
            (
                .reject(session: "s", to: "P", reason: "\"\u{1}"),
                #"{"metadata":{"reason":"\"\u0001"},"sessionId":"s","target":"P"}"#
            ),
            (.attached(stripe: 1, epoch: 2), #"{"stripe":1,"epoch":2}"#),
            (.orphaned(stripe: 1, epoch: 2, .notForwarding), #"{"stripe":1,"epoch":2,"reason":"not-forwarding"}"#),
            (.childLost("C", .slow), #"{"id":"C","reason":"slow"}"#),
            (
                .status(StatusReport(rate: 10, children: 2, lag: 123, roundTrip: 40, depth: 3)),
                #"{"rate":10,"children":2,"lag":12.3,"roundTrip":4,"depth":3}"#
            ),
            (.leave, "{}"), (.iceServers, "{}"), (.pulse("1300"), #"{"frame":"1300"}"#),
        ]
        for (event, json) in expected { #expect(text(event.payload) == json) }
    }

    private func read(_ name: SignallingName, _ json: String) -> ServerEvent? {
        ServerEvent(Text(name.text), Text(Array(json.utf8)))
    }

    @Test("What a server says is read, in whatever way its JSON is written")
    func reading() {
        let answer = read(
            .discover,
            #" { "x" : [{"id":1}, "]"], "id":"own", "discoveryData" : {"peers":["P"],"treeID":"\u0054","peerTree":"#
                + #"{"resume":"R","stripes":2,"parity":1,"parents":[{"stripe":1,"id":"P","epoch":5,"depth":2},{"id":3}],"#
                + #""iceServers":[{"urls":"stun:a"}],"iceServersLifetime":60} } } "#
        )
        var parent = ParentAssignment(parent: "P", stripe: 1, epoch: 5, depth: 2)
        var additions = ServerEvent.Discovery.Additions(
            resumeToken: "R",
            stripes: 2,
            parents: [parent],
            iceServers: ICEServerAdvice(list: #"[{"urls":"stun:a"}]"#, lifetime: .seconds(60))
        )
        additions.parity = 1
        #expect(answer == .discovered(.init(id: "own", treeID: "T", peers: ["P"], additions: additions)))
        #expect(
            read(.discover, #"{"id":null,"discoveryData":{"err":"no","code":"c"}}"#)
                == .discoveryFailed(code: "c", message: "no")
        )
        parent = ParentAssignment(parent: nil, stripe: 0, epoch: 1, depth: 0)
        #expect(read(.assign, #"{"parent":null,"epoch":1}"#) == .assign(parent))
        #expect(read(.admit, #"{"id":"C","stripe":3}"#) == .admit("C", stripe: 3))
        #expect(read(.admit, #"{"id":"C","kind":"standby"}"#) == .admitWard("C"))
        #expect(read(.childGone, #"{"id":"C","kind":"standby"}"#) == .wardGone("C"))
        #expect(read(.admit, #"{"id":"C","kind":"godparent"}"#) == nil)
        #expect(read(.standby, #"{"id":"C"}"#) == .standby("C"))
        #expect(read(.standby, #"{"id":null}"#) == .standby(nil))
        #expect(read(.status, #"{"interval":2.5}"#) == .statusInterval(.milliseconds(2_500)))
        #expect(read(.status, #"{"interval":1e1}"#) == .statusInterval(.seconds(10)))
        #expect(read(.pulse, "{}") == .pulseWanted)
        #expect(
            read(.offer, #"{"initiator":"C","sessionId":"s","signal":{"type":"offer","sdp":"\ud83d\ude00\n"}}"#)
                == .offer(session: "s", from: "C", sdp: Text(Array("😀\n".utf8)), isNative: false)
        )
        #expect(
            read(
                .signal,
                #"{"sessionId":"s","signal":{"candidate":{"candidate":"c"}},"metadata":{"peerTree":{"v":2}}}"#
            )
                == .signal(session: "s", .candidate(#"{"candidate":"c"}"#), isNative: true)
        )
        #expect(read(.tree, #"{"viewers":1}"#) == .tree(#"{"viewers":1}"#))
    }

    @Test(
        "What does not fit is refused",
        arguments: [
            "", "{", "}", "[]", "null", "{\"id\":1}", "{\"id\":\"a\"", "{\"id\":\"a\\\"}", "{\"id\":\"\u{1}\"}",
            "{\"id\":\"\\x\"}", "{\"id\":\"\\ud\"}", "{\"id\" \"a\"}", "{\"id\":\"a\",}", "{\"id\":\"a\"}}",
            "{id:\"a\"}",
            String(repeating: "[", count: 100_000),
        ]
    )
    func refused(json: String) {
        #expect(read(.suspect, json) == nil)
    }

    @Test(
        "What a server must not send is refused",
        arguments: [
            (.discover, #"{"id":1}"#), (.discover, #"{"id":"a","discoveryData":{"peers":[]}}"#),
            (.offer, #"{"initiator":"a","sessionId":"s"}"#), (.offer, #"{"initiator":[],"sessionId":"s","signal":{}}"#),
            (.signal, #"{"sessionId":"s","signal":{"candidate":{}}}"#),
            (.signal, #"{"sessionId":"s","signal":{"type":"offer"}}"#), (.reject, "null"), (.assign, #"{"parent":1}"#),
            (.status, #"{"interval":0}"#), (.status, #"{"interval":-1}"#), (.iceServers, #"{"iceServers":{}}"#),
            (.place, #"{"depth":-1}"#), (.resume, "{}"),
        ] as [(SignallingName, String)]
    )
    func malformed(name: SignallingName, json: String) {
        #expect(read(name, json) == nil)
    }

    @Test("Events that no server sends, and unknown ones, are passed over")
    func unknown() {
        #expect(read(.leave, "{}") == nil)
        #expect(ServerEvent("peer-tree[new]", "{}") == nil)
    }

    @Test("No bytes trap the reader", arguments: 0..<20 as Range<UInt64>)
    func mutated(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let whole = Array(
            #"{"id":"o\u00e9","discoveryData":{"peers":["P"],"treeID":"T","peerTree":{"parents":[{"id":"P","epoch":-1.5e3}]}}}"#
                .utf8
        )
        for _ in 0..<300 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(whole[Int.random(in: 0..<whole.count, using: &random)], at: index)
                }
            }
            for name in SignallingName.allCases { _ = ServerEvent(Text(name.text), Text(bytes)) }
        }
    }
}
