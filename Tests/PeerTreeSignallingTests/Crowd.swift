import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// A source and viewers that link to whomever they are told, and take in what they are sent: natives and original clients.
struct Crowd {
    private(set) var ids: [String] = []
    private(set) var tree = ""
    /// What each was sent since ``forget()``, but for offers and signals.
    private(set) var told: [String: [SignallingHarness.Message]] = [:]
    private var originals: Set<String> = []
    private var sessions: Set<String> = []

    private let discover = "simple-signal[discover]"

    func gateway(of id: String) -> Int { id.utf8.reduce(0) { $0 + Int($1) } % 2 }

    mutating func create(
        _ id: String,
        isNative: Bool,
        _ harness: inout ChannelHarness,
        extra: JSONObject = [:]
    ) throws {
        try enter(id, ["createNew": true], isNative: isNative, extra, &harness)
    }

    mutating func join(_ id: String, isNative: Bool, _ harness: inout ChannelHarness) throws {
        try enter(id, ["treeID": .string(tree)], isNative: isNative, [:], &harness)
    }

    private mutating func enter(
        _ id: String,
        _ request: JSONObject,
        isNative: Bool,
        _ extra: JSONObject,
        _ harness: inout ChannelHarness
    ) throws {
        ids.append(id)
        if !isNative { originals.insert(id) }
        harness.connect(id, at: gateway(of: id))
        var request = request
        var native: JSONObject = ["v": 2, "agent": "Test 1"]
        for member in extra { native[member.key] = member.value }
        if isNative { request["peerTree"] = .object(native) }
        harness.emit(id, discover, .object(request), at: gateway(of: id))
        settle(&harness)
        let answer = told[id]?.last { $0.event == discover }
        tree = try #require(answer?.payload["discoveryData"]?["treeID"]?.stringValue)
    }

    /// Everything that is said arrives, and everybody does what it is told.
    mutating func settle(_ harness: inout ChannelHarness) {
        var isQuiet = false
        while !isQuiet {
            isQuiet = true
            harness.settle()
            for id in ids {
                for message in harness.take(id) {
                    isQuiet = false
                    take(message, id, &harness)
                }
            }
        }
    }

    mutating func forget() {
        told = [:]
    }

    /// What somebody was sent.
    func events(_ id: String) -> [String] {
        (told[id] ?? []).map(\.event)
    }

    private mutating func take(_ message: SignallingHarness.Message, _ id: String, _ harness: inout ChannelHarness) {
        switch message.event {
        case "simple-signal[offer]": answer(message.payload, id, &harness)
        case "simple-signal[signal]": break
        case discover:
            told[id, default: []].append(message)
            let data = message.payload["discoveryData"]
            for parent in data?["peerTree"]?["parents"]?.arrayValue ?? [] { link(id, parent["id"], parent, &harness) }
            if originals.contains(id), let parent = data?["peers"]?[0] { link(id, parent, nil, &harness) }
        default:
            told[id, default: []].append(message)
            if message.event == "peer-tree[assign]" { link(id, message.payload["parent"], message.payload, &harness) }
        }
    }

    private func answer(_ offer: JSONValue, _ id: String, _ harness: inout ChannelHarness) {
        let answer: JSONObject = [
            "signal": ["type": "answer"], "sessionId": offer["sessionId"] ?? nil, "target": offer["initiator"] ?? nil,
        ]
        harness.emit(id, "simple-signal[signal]", .object(answer), at: gateway(of: id))
    }

    private mutating func link(_ id: String, _ parent: JSONValue?, _ place: JSONValue?, _ harness: inout ChannelHarness)
    {
        guard let parent = parent?.stringValue else { return }
        let session = "\(id) to \(parent)"
        if sessions.insert(session).inserted {
            let offer: JSONValue = [
                "signal": ["type": "offer"], "sessionId": .string(session), "target": .string(parent),
            ]
            harness.emit(id, "simple-signal[offer]", offer, at: gateway(of: id))
        }
        guard let stripe = place?["stripe"], let epoch = place?["epoch"] else { return }
        harness.emit(id, "peer-tree[attached]", ["stripe": stripe, "epoch": epoch], at: gateway(of: id))
    }
}
