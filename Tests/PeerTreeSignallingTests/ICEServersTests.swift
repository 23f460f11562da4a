import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeSignalling

@Suite("ICE servers for peers", .timeLimit(.minutes(5)))
struct ICEServersTests {
    private static func harness() -> SignallingHarness {
        SignallingHarness { options in
            options.iceServers.stunURLs = ["stun:stun.example.org:3478"]
            options.iceServers.turnURLs = ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349"]
            options.iceServers.turnSecret = "north"
            options.iceServers.credentialLifetime = .seconds(3600)
            options.unixTimeAtZero = 1_700_000_000
        }
    }

    @Test("A native peer is told the servers, with credentials of its own that expire")
    func discovery() throws {
        var harness = Self.harness()
        let tree = try harness.createTree("S")
        harness.wait(.seconds(60))
        try harness.join("A", tree)
        let source = try #require(Self.native(harness, "S"))
        #expect(source["iceServers"]?[0] == ["urls": ["stun:stun.example.org:3478"]])
        #expect(source["iceServers"]?[1]?["username"]?.stringValue == "1700003600:S")
        #expect(source["iceServers"]?[1]?["credential"]?.stringValue == "5 letters and 1700003600:S")
        #expect(source["iceServers"]?[1]?["urls"]?.arrayValue?.count == 2)
        #expect(source["iceServersLifetime"]?.intValue == 3600)
        let viewer = try #require(Self.native(harness, "A"))
        #expect(viewer["iceServers"]?[1]?["username"]?.stringValue == "1700003660:A")
        #expect(viewer.jsonString.contains("north") == false, "the secret itself must never leave the server")
    }

    @Test("A native peer may ask for fresh credentials; others may not")
    func renewal() throws {
        var harness = Self.harness()
        let tree = try harness.createTree("S")
        harness.wait(.seconds(3000))
        let answer = try #require(harness.emit("S", "peer-tree[ice-servers]", [:]).last)
        #expect(answer.event == "peer-tree[ice-servers]")
        #expect(answer.payload["iceServers"]?[1]?["username"]?.stringValue == "1700006600:S")
        try harness.joinLegacy("L", tree)
        #expect(harness.emit("L", "peer-tree[ice-servers]", [:]).last?.payload["code"]?.stringValue == "not-native")
        harness.connect("X")
        #expect(harness.emit("X", "peer-tree[ice-servers]", [:]).last?.payload["code"]?.stringValue == "not-a-member")
    }

    @Test("Legacy peers are told nothing new")
    func legacy() throws {
        var harness = Self.harness()
        let tree = try harness.createTree("S")
        try harness.joinLegacy("L", tree)
        let data = harness.payloads("L", "simple-signal[discover]").last?["discoveryData"]
        #expect(data?.objectValue?.map(\.key) == ["peers", "treeID"])
    }

    @Test("A TURN server without a secret is not handed out: nobody could use it")
    func withoutSecret() throws {
        var harness = SignallingHarness { $0.iceServers.turnURLs = ["turn:turn.example.org"] }
        _ = try harness.createTree("S")
        #expect(Self.native(harness, "S")?["iceServers"] == nil)
    }

    private static func native(_ harness: SignallingHarness, _ id: String) -> JSONValue? {
        harness.payloads(id, "simple-signal[discover]").last?["discoveryData"]?["peerTree"]
    }
}
