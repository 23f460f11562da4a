import JSON
import PeerTreeCore
import Testing

@testable import PeerTreeSignalling

/// One thing a client may send, and the answer it must get.
struct HostileInput: Sendable, CustomTestStringConvertible {
    enum Sender: String, Sendable {
        case stranger = "X"
        case source = "S"
        case viewer = "A"
        case child = "B"
        case legacy = "L"
    }

    var name: String
    var sender: Sender
    var event: String
    var arguments: [JSONValue]
    /// The code of the error; discovery has a text instead where the client is not native.
    var code: String

    init(_ name: String, _ sender: Sender, _ event: String, _ arguments: [JSONValue], _ code: String) {
        self.name = name
        self.sender = sender
        self.event = event
        self.arguments = arguments
        self.code = code
    }

    var testDescription: String { "\(name) (\(event) from the \(sender))" }

    static let discover = "simple-signal[discover]"
    static let offer = "simple-signal[offer]"
    static let signal = "simple-signal[signal]"
    static let reject = "simple-signal[reject]"
    static let huge = JSONValue.string(String(repeating: "x", count: 900_000))
    static let sdp: JSONValue = ["type": "offer", "sdp": "v=0"]

    static func deep(_ depth: Int) -> JSONValue {
        (0..<depth).reduce(JSONValue.null) { value, _ in ["a": value] }
    }

    /// TREE stands for the id of the tree, OTHER for that of another one.
    static let all: [HostileInput] = discovery + offers + signals + reports + strangers

    static let discovery: [HostileInput] = [
        .init("number", .stranger, discover, [5], "The first argument must be an object."),
        .init("string", .stranger, discover, ["createNew"], "The first argument must be an object."),
        .init("array", .stranger, discover, [[]], "The first argument must be an object."),
        .init("true", .stranger, discover, [true], "The first argument must be an object."),
        .init("binary", .stranger, discover, [.binary([1])], "The first argument must be an object."),
        .init("empty", .stranger, discover, [[:]], "Tree does not exist."),
        .init("proto as a tree", .stranger, discover, [["treeID": "__proto__"]], "Tree does not exist."),
        .init("constructor as a tree", .stranger, discover, [["treeID": "constructor"]], "Tree does not exist."),
        .init("proto as a key", .stranger, discover, [["__proto__": ["createNew": true]]], "Tree does not exist."),
        .init("empty tree id", .stranger, discover, [["treeID": ""]], "Tree does not exist."),
        .init("tree id 5", .stranger, discover, [["treeID": 5]], "treeID must be a string of at most 128 bytes."),
        .init("tree id {}", .stranger, discover, [["treeID": [:]]], "treeID must be a string of at most 128 bytes."),
        .init("huge tree id", .stranger, discover, [["treeID": huge]], "treeID must be a string of at most 128 bytes."),
        .init("createNew 1", .stranger, discover, [["createNew": 1]], "createNew must be true or false."),
        .init("deep", .stranger, discover, [deep(400)], "Tree does not exist."),
        .init("peerTree 1", .stranger, discover, [["createNew": true, "peerTree": 1]], "bad-field"),
        .init("no version", .stranger, discover, [["createNew": true, "peerTree": [:]]], "bad-field"),
        .init("version 1", .stranger, discover, [["createNew": true, "peerTree": ["v": 1]]], "unknown-version"),
        .init("version 2.5", .stranger, discover, [["createNew": true, "peerTree": ["v": 2.5]]], "bad-field"),
        .init(
            "stripes 0",
            .stranger,
            discover,
            [["createNew": true, "peerTree": ["v": 2, "stripes": 0]]],
            "bad-field"
        ),
        .init(
            "stripes 1e9",
            .stranger,
            discover,
            [["createNew": true, "peerTree": ["v": 2, "stripes": 1e9]]],
            "bad-field"
        ),
        .init(
            "parity of one stripe",
            .stranger,
            discover,
            [["createNew": true, "peerTree": ["v": 2, "parity": 1]]],
            "peerTree.parity must be 0, or 1 of at least 2 stripes; it is 1 of 1."
        ),
        .init(
            "parity 2",
            .stranger,
            discover,
            [["createNew": true, "peerTree": ["v": 2, "stripes": 5, "parity": 2]]],
            "peerTree.parity must be 0, or 1 of at least 2 stripes; it is 2 of 5."
        ),
        .init(
            "parity 1e18",
            .stranger,
            discover,
            [["createNew": true, "peerTree": ["v": 2, "stripes": 5, "parity": 1e18]]],
            "bad-field"
        ),
        .init(
            "capacity -1",
            .stranger,
            discover,
            [["treeID": "TREE", "peerTree": ["v": 2, "capacity": -1]]],
            "bad-field"
        ),
        .init(
            "capacity 1e300",
            .stranger,
            discover,
            [["treeID": "TREE", "peerTree": ["v": 2, "capacity": 1e300]]],
            "bad-field"
        ),
        .init(
            "capacity NaN",
            .stranger,
            discover,
            [["treeID": "TREE", "peerTree": ["v": 2, "capacity": .number(.nan)]]],
            "bad-field"
        ),
        .init("unknown tree, native", .stranger, discover, [["treeID": "?", "peerTree": ["v": 2]]], "unknown-tree"),
        .init(
            "false token",
            .stranger,
            discover,
            [["treeID": "TREE", "peerTree": ["v": 2, "resume": "x"]]],
            "unknown-resume"
        ),
        .init(
            "false token of the right form",
            .stranger,
            discover,
            [["peerTree": ["v": 2, "resume": .string(String(repeating: "0", count: 64))]]],
            "unknown-resume"
        ),
        .init("token 5", .stranger, discover, [["peerTree": ["v": 2, "resume": 5]]], "bad-field"),
        .init("source joins its own tree", .source, discover, [["treeID": "TREE", "peerTree": ["v": 2]]], "own-tree"),
        .init(
            "source joins another tree",
            .source,
            discover,
            [["treeID": "OTHER", "peerTree": ["v": 2]]],
            "already-source"
        ),
        .init("double create", .source, discover, [["createNew": true, "peerTree": ["v": 2]]], "already-source"),
        .init(
            "double create, as legacy",
            .source,
            discover,
            [["createNew": true]],
            "You are the source of a tree. Leave it first."
        ),
        .init("viewer asks for no tree", .viewer, discover, [["treeID": "?", "peerTree": ["v": 2]]], "unknown-tree"),
    ]

    static let offers: [HostileInput] = [
        .init("no argument", .viewer, offer, [], "bad-field"),
        .init("null", .viewer, offer, [nil], "bad-field"),
        .init("string", .viewer, offer, ["offer"], "bad-field"),
        .init("array", .viewer, offer, [[sdp]], "bad-field"),
        .init("empty", .viewer, offer, [[:]], "bad-field"),
        .init("signal null", .viewer, offer, [["signal": nil, "sessionId": "Y", "target": "S"]], "bad-field"),
        .init("signal string", .viewer, offer, [["signal": "x", "sessionId": "Y", "target": "S"]], "bad-field"),
        .init("signal missing", .viewer, offer, [["sessionId": "Y", "target": "S"]], "bad-field"),
        .init(
            "signal huge",
            .viewer,
            offer,
            [["signal": ["sdp": huge], "sessionId": "Y", "target": "S"]],
            "bad-field"
        ),
        .init("signal deep", .viewer, offer, [["signal": deep(400), "sessionId": "Y", "target": "S"]], "bad-field"),
        .init(
            "signal binary",
            .viewer,
            offer,
            [["signal": ["sdp": .binary([1])], "sessionId": "Y", "target": "S"]],
            "bad-field"
        ),
        .init(
            "metadata huge",
            .viewer,
            offer,
            [["signal": sdp, "metadata": huge, "sessionId": "Y", "target": "S"]],
            "bad-field"
        ),
        .init(
            "metadata deep",
            .viewer,
            offer,
            [["signal": sdp, "metadata": deep(99), "sessionId": "Y", "target": "S"]],
            "bad-field"
        ),
        .init("session missing", .viewer, offer, [["signal": sdp, "target": "S"]], "bad-field"),
        .init("session {}", .viewer, offer, [["signal": sdp, "sessionId": [:], "target": "S"]], "bad-field"),
        .init("session empty", .viewer, offer, [["signal": sdp, "sessionId": "", "target": "S"]], "bad-field"),
        .init("session huge", .viewer, offer, [["signal": sdp, "sessionId": huge, "target": "S"]], "bad-field"),
        .init(
            "session in use",
            .viewer,
            offer,
            [["signal": sdp, "sessionId": "open", "target": "S"]],
            "session-exists"
        ),
        .init("target missing", .viewer, offer, [["signal": sdp, "sessionId": "Y"]], "bad-field"),
        .init("target 5", .viewer, offer, [["signal": sdp, "sessionId": "Y", "target": 5]], "bad-field"),
        .init(
            "target toString",
            .viewer,
            offer,
            [["signal": sdp, "sessionId": "Y", "target": "toString"]],
            "unknown-target"
        ),
        .init(
            "target proto",
            .viewer,
            offer,
            [["signal": sdp, "sessionId": "Y", "target": "__proto__"]],
            "unknown-target"
        ),
        .init("target huge", .viewer, offer, [["signal": sdp, "sessionId": "Y", "target": huge]], "bad-field"),
        .init("target itself", .viewer, offer, [["signal": sdp, "sessionId": "Y", "target": "A"]], "own-target"),
        .init(
            "target a socket in no tree",
            .viewer,
            offer,
            [["signal": sdp, "sessionId": "Y", "target": "X"]],
            "unknown-target"
        ),
        .init(
            "target in another tree",
            .viewer,
            offer,
            [["signal": sdp, "sessionId": "Y", "target": "T"]],
            "unknown-target"
        ),
        .init(
            "target its child",
            .viewer,
            offer,
            [["signal": sdp, "sessionId": "Y", "target": "B"]],
            "not-your-parent"
        ),
        .init("source offers", .source, offer, [["signal": sdp, "sessionId": "Y", "target": "A"]], "not-your-parent"),
        .init(
            "legacy offers to a stranger",
            .legacy,
            offer,
            [["signal": sdp, "sessionId": "Y", "target": "B"]],
            "not-your-parent"
        ),
    ]

    static let signals: [HostileInput] = [
        .init("no argument", .viewer, signal, [], "bad-field"),
        .init("signal null", .viewer, signal, [["signal": nil, "sessionId": "open", "target": "S"]], "bad-field"),
        .init(
            "unknown session",
            .viewer,
            signal,
            [["signal": sdp, "sessionId": "Y", "target": "S"]],
            "unknown-session"
        ),
        .init(
            "session of others",
            .child,
            signal,
            [["signal": sdp, "sessionId": "open", "target": "S"]],
            "unknown-session"
        ),
        .init(
            "wrong target",
            .viewer,
            signal,
            [["signal": sdp, "sessionId": "open", "target": "B"]],
            "unknown-session"
        ),
        .init("target itself", .viewer, signal, [["signal": sdp, "sessionId": "open", "target": "A"]], "own-target"),
        .init(
            "target toString",
            .viewer,
            signal,
            [["signal": sdp, "sessionId": "open", "target": "toString"]],
            "unknown-target"
        ),
        .init("reject without argument", .viewer, reject, [], "bad-field"),
        .init("reject unknown session", .viewer, reject, [["sessionId": "Y", "target": "S"]], "unknown-session"),
        .init("reject of others", .child, reject, [["sessionId": "open", "target": "S"]], "unknown-session"),
        .init(
            "reject, metadata deep",
            .viewer,
            reject,
            [["sessionId": "open", "target": "S", "metadata": deep(40)]],
            "bad-field"
        ),
    ]

    static let reports: [HostileInput] = [
        .init("no argument", .viewer, "peer-tree[attached]", [], "bad-field"),
        .init("stripe missing", .viewer, "peer-tree[attached]", [["epoch": 1]], "bad-field"),
        .init("stripe -1", .viewer, "peer-tree[attached]", [["stripe": -1, "epoch": 1]], "bad-field"),
        .init("stripe 7", .viewer, "peer-tree[attached]", [["stripe": 7, "epoch": 1]], "unknown-stripe"),
        .init("stripe 1e300", .viewer, "peer-tree[attached]", [["stripe": 1e300, "epoch": 1]], "bad-field"),
        .init("stripe '0'", .viewer, "peer-tree[attached]", [["stripe": "0", "epoch": 1]], "bad-field"),
        .init("epoch to come", .viewer, "peer-tree[attached]", [["stripe": 0, "epoch": 2]], "unknown-epoch"),
        .init(
            "epoch 2^53",
            .viewer,
            "peer-tree[attached]",
            [["stripe": 0, "epoch": 9_007_199_254_740_992]],
            "unknown-epoch"
        ),
        .init("epoch 1.5", .viewer, "peer-tree[attached]", [["stripe": 0, "epoch": 1.5]], "bad-field"),
        .init("orphaned, no reason", .viewer, "peer-tree[orphaned]", [["stripe": 0, "epoch": 1]], "bad-field"),
        .init(
            "orphaned, odd reason",
            .viewer,
            "peer-tree[orphaned]",
            [["stripe": 0, "epoch": 1, "reason": "bored"]],
            "bad-field"
        ),
        .init(
            "orphaned, epoch to come",
            .viewer,
            "peer-tree[orphaned]",
            [["stripe": 0, "epoch": 9, "reason": "silent"]],
            "unknown-epoch"
        ),
        .init(
            "orphaned source",
            .source,
            "peer-tree[orphaned]",
            [["stripe": 0, "epoch": 0, "reason": "silent"]],
            "source-has-no-parent"
        ),
        .init("child lost, no id", .source, "peer-tree[child-lost]", [[:]], "bad-field"),
        .init("child lost, not a child", .source, "peer-tree[child-lost]", [["id": "B"]], "not-a-child"),
        .init("child lost, own parent", .viewer, "peer-tree[child-lost]", [["id": "S"]], "not-a-child"),
        .init("child lost, itself", .viewer, "peer-tree[child-lost]", [["id": "A"]], "not-a-child"),
        .init("child lost, toString", .viewer, "peer-tree[child-lost]", [["id": "toString"]], "not-a-child"),
        .init("child lost, another tree", .source, "peer-tree[child-lost]", [["id": "T"]], "not-a-child"),
        .init("child lost, huge reason", .source, "peer-tree[child-lost]", [["id": "A", "reason": huge]], "bad-field"),
        .init("status, no argument", .viewer, "peer-tree[status]", [], "bad-field"),
        .init("status, rate -1", .viewer, "peer-tree[status]", [["rate": -1]], "bad-field"),
        .init("status, lag NaN", .viewer, "peer-tree[status]", [["lag": .number(.nan)]], "bad-field"),
        .init("status, rate text", .viewer, "peer-tree[status]", [["rate": "fast"]], "bad-field"),
        .init("status, children 0.5", .viewer, "peer-tree[status]", [["children": 0.5]], "bad-field"),
        .init("legacy attached", .legacy, "peer-tree[attached]", [["stripe": 0, "epoch": 1]], "not-native"),
        .init(
            "legacy orphaned",
            .legacy,
            "peer-tree[orphaned]",
            [["stripe": 0, "epoch": 1, "reason": "silent"]],
            "not-native"
        ),
        .init("legacy child lost", .legacy, "peer-tree[child-lost]", [["id": "B"]], "not-native"),
        .init("legacy status", .legacy, "peer-tree[status]", [[:]], "not-native"),
        .init("legacy leaves", .legacy, "peer-tree[leave]", [[:]], "not-native"),
    ]

    static let strangers: [HostileInput] =
        [
            offer, signal, reject, "peer-tree[attached]", "peer-tree[orphaned]", "peer-tree[child-lost]",
            "peer-tree[status]", "peer-tree[leave]",
        ].map {
            HostileInput(
                "before discovery",
                .stranger,
                $0,
                [["signal": sdp, "sessionId": "Y", "target": "S"]],
                "not-a-member"
            )
        }
        + [
            .init("unknown event", .viewer, "anything", [1, 2, 3], "unknown-event"),
            .init("event of the server", .viewer, "peer-tree[assign]", [[:]], "unknown-event"),
            .init("empty event", .viewer, "", [], "unknown-event"),
            .init("proto event", .stranger, "__proto__", [], "unknown-event"),
            .init("huge event", .viewer, String(repeating: "e", count: 900_000), [huge], "unknown-event"),
        ]
}

extension JSONValue {
    /// The value with the ids of the two trees filled in.
    func replacing(tree: String, other: String) -> JSONValue {
        guard var object = objectValue else { return self }
        if object["treeID"] == "TREE" { object["treeID"] = .string(tree) }
        if object["treeID"] == "OTHER" { object["treeID"] = .string(other) }
        return .object(object)
    }
}
