import JSON
import PeerTreeCore
import PeerTreeSignalling
import TestSupport
import Testing

@testable import PeerTreeSignallingWire

@Suite("Messages between nodes, written and read", .timeLimit(.minutes(5)))
struct RoundTripTests {
    private let options = SignallingOptions()

    @Test("What goes to trees comes back as it was, and has one form", arguments: 0..<400)
    func toTree(seed: UInt64) throws {
        var messages = RandomMessages(seed: seed)
        for kind in ToTreeKind.allCases {
            let message = messages.toTree(kind)
            try #require(ToTreeKind(message) == kind)
            let written = message.written()
            let read = try ToTree(written: written, options: options)
            try #require(read == message, "seed \(seed)")
            try #require(read.written() == written, "seed \(seed)")
        }
    }

    @Test("What goes to gateways comes back as it was, and has one form", arguments: 0..<400)
    func toGateway(seed: UInt64) throws {
        var messages = RandomMessages(seed: seed)
        for kind in ToGatewayKind.allCases {
            let message = messages.toGateway(kind)
            try #require(ToGatewayKind(message) == kind)
            let written = message.written()
            let read = try ToGateway(written: written, options: options)
            try #require(read == message, "seed \(seed)")
            try #require(read.written() == written, "seed \(seed)")
        }
    }

    @Test("Every event has a form, and only what each side may say is read")
    func events() throws {
        let member = MemberSocket(tree: "t", number: 1, socket: "s")
        for event in SignallingName.allCases {
            let fromClient = try? ToTree(written: ToTree.event(member, event, nil).written(), options: options)
            #expect((fromClient == .event(member, event, nil)) == event.isFromClient)
            let emission = ToGateway.emit(member, event, [:])
            let fromServer = try? ToGateway(written: emission.written(), options: options)
            #expect((fromServer == emission) == event.isFromServer)
        }
    }

    @Test("No argument, null and an empty object are three things")
    func absentPayload() throws {
        let member = MemberSocket(tree: "t", number: 1, socket: "s")
        for payload in [nil, .null, [:]] as [JSONValue?] {
            let message = ToTree.event(member, .status, payload)
            #expect(try ToTree(written: message.written(), options: options) == message)
        }
    }

    @Test("The largest messages that clients and trees can bring about are read")
    func largest() throws {
        let name = String(repeating: "\u{1}", count: 128)
        let member = MemberSocket(tree: name, number: .max, socket: name)
        // Control characters take six bytes of JSON text each.
        let signal: JSONValue = ["sdp": .string(String(repeating: "\u{1}", count: 65_520))]
        let offer: JSONValue = [
            "initiator": .string(name), "sessionId": .string(name), "signal": signal,
            "metadata": .string(String(repeating: "\u{1}", count: 16_380)),
        ]
        let emission = ToGateway.emit(member, .offer, offer)
        #expect(try ToGateway(written: emission.written(), options: options) == emission)
        let event = ToTree.event(member, .offer, offer)
        #expect(try ToTree(written: event.written(), options: options) == event)

        let peer: JSONValue = [
            "id": .string(name), "parent": .string(name), "depth": 1e300, "native": false, "attached": false,
            "lag": 1.2345678901234567e-300,
        ]
        let summary = ToGateway.emit(
            member,
            .tree,
            ["treeID": .string(name), "viewers": 256, "depth": 9, "peers": .array(Array(repeating: peer, count: 256))]
        )
        #expect(try ToGateway(written: summary.written(), options: options) == summary)

        var messages = RandomMessages(seed: 1)
        let label = String(repeating: "f", count: 16)
        var changed = messages.changedPeer()
        changed.parents = Array(repeating: label, count: 16)
        var changes = messages.changes()
        changes.gone = Array(repeating: label, count: DashboardChanges.maximumGone)
        changes.peers = Array(repeating: changed, count: DashboardChanges.maximumPeers)
        let answer = ToGateway.answer(watcher: .min, .changes(changes))
        #expect(try ToGateway(written: answer.written(), options: options) == answer)

        var entry = messages.entry()
        let neighbour = ClaimedPlace.Neighbour(stripe: .max, id: name, sessionID: name)
        entry.request.place = ClaimedPlace(
            parents: Dictionary(
                uniqueKeysWithValues: (0..<16).map { stripe in
                    let neighbour = ClaimedPlace.Neighbour(stripe: stripe, id: name, sessionID: name)
                    return (stripe, ClaimedPlace.Parent(neighbour: neighbour, epoch: .max))
                }
            ),
            children: Array(repeating: neighbour, count: ClaimedPlace.maximumChildren)
        )
        #expect(try ToTree(written: ToTree.enter(entry).written(), options: options) == .enter(entry))
    }

    @Test("What operators set makes no bound overflow", arguments: [0, -1, .min, .max])
    func options(value: Int) {
        var options = SignallingOptions()
        options.maximumSignalBytes = value
        options.maximumMetadataBytes = value
        options.maximumDepth = value
        options.maximumStringBytes = value
        options.maximumTokenBytes = value
        options.maximumPeersInSummary = value
        #expect(options.maximumBytesToTree > 0)
        #expect(options.maximumBytesToGateway > 0)
        #expect(options.maximumPayloadDepth >= 10)
    }
}
