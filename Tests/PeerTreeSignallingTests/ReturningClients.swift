import JSON
import PeerTreeCore
import TestSupport

@testable import PeerTreeSignalling

/// A source and viewers who want to be in its tree, and come back whenever their socket or their place is gone: as clients
/// do, with the token that they were given last. Original clients have none, and enter anew.
struct ReturningClients {
    /// What their sockets' names begin with.
    private let name: String

    private struct Client {
        var socket: String?
        var gateway = 0
        var isOriginal = false
        var token: JSONValue?
        /// Who feeds it by the newest that it has heard.
        var parent: String?
        /// Whether it has asked and was not answered, or is in the tree.
        var isSettled = false
    }

    private var random: SeededGenerator
    private var clients: [Client]
    private var sockets = 0
    /// Whose each socket is, or was.
    private var owners: [String: Int] = [:]
    private var sessions = 0
    private var tree: String?
    /// Trees that ended under somebody.
    private(set) var ended = 0
    /// How often somebody was told that another socket has its place.
    private(set) var replacements = 0

    var count: Int { clients.count }

    /// By whom each native viewer believes that it is fed: the socket that this one has now.
    var beliefs: [(socket: String, parent: String?)] {
        clients.dropFirst().filter { !$0.isOriginal }.compactMap { client in
            client.socket.map {
                ($0, client.parent.flatMap { parent in owners[parent].flatMap { clients[$0].socket } })
            }
        }
    }

    /// How often they have connected.
    var connections: Int { sockets }

    /// - Parameter originals: Which are original clients. The source is 0.
    init(seed: UInt64, viewers: Int, originals: Set<Int> = [], name: String = "socket") {
        random = SeededGenerator(seed: seed &+ 5_000)
        self.name = name
        clients = (0...viewers).map { Client(isOriginal: originals.contains($0)) }
    }

    /// Everybody takes in what it was told, and does what is to be done, in any order.
    mutating func act(on harness: inout ChannelHarness) {
        for number in clients.indices.shuffled(using: &random) {
            read(number, &harness)
            if number > 0, tree == nil { continue }
            if clients[number].socket == nil { connect(number, &harness) }
            if !clients[number].isSettled, Int.random(in: 0..<3, using: &random) > 0 { ask(number, &harness) }
        }
    }

    /// The sockets at a gateway that is gone are gone.
    mutating func lose(_ gateway: Int) {
        for number in clients.indices where clients[number].gateway == gateway { drop(number) }
    }

    /// Some socket breaks.
    mutating func breakOne(_ harness: inout ChannelHarness) {
        let number = Int.random(in: 0..<clients.count, using: &random)
        guard let socket = clients[number].socket else { return }
        harness.handle(.disconnected(id: socket), at: clients[number].gateway)
        drop(number)
    }

    private mutating func drop(_ number: Int) {
        clients[number].socket = nil
        clients[number].isSettled = false
    }

    private mutating func connect(_ number: Int, _ harness: inout ChannelHarness) {
        sockets += 1
        clients[number].socket = "\(name) \(sockets)"
        owners["\(name) \(sockets)"] = number
        clients[number].gateway = Int.random(in: 0..<harness.gateways.count, using: &random)
        harness.connect("\(name) \(sockets)", at: clients[number].gateway)
    }

    private mutating func ask(_ number: Int, _ harness: inout ChannelHarness) {
        guard let socket = clients[number].socket else { return }
        clients[number].isSettled = true
        var native: JSONObject = ["v": 2]
        var request: JSONObject = [:]
        if clients[number].isOriginal {
            request = number == 0 ? ["createNew": true] : ["treeID": .string(tree ?? "")]
        } else if let token = clients[number].token {
            native["resume"] = token
        } else if number == 0 {
            request["createNew"] = true
        } else if let tree {
            request["treeID"] = .string(tree)
        }
        if !clients[number].isOriginal { request["peerTree"] = .object(native) }
        harness.emit(socket, "simple-signal[discover]", .object(request), at: clients[number].gateway)
    }

    private mutating func read(_ number: Int, _ harness: inout ChannelHarness) {
        guard let socket = clients[number].socket else { return }
        for message in harness.take(socket) {
            switch message.event {
            case "simple-signal[discover]": answered(number, message.payload["discoveryData"] ?? [:], &harness)
            case "simple-signal[offer]": answer(number, message.payload, &harness)
            case "peer-tree[resume]": clients[number].token = message.payload["resume"]
            case "peer-tree[assign]":
                clients[number].parent = message.payload["parent"]?.stringValue
                attach(number, message.payload, &harness)
            case "peer-tree[end]":
                ended += 1
                clients[number].isSettled = false
            case "peer-tree[error]":
                let code = message.payload["code"]?.stringValue ?? ""
                if code == "resumed-elsewhere" { replacements += 1 }
                if ["attach-timeout", "resumed-elsewhere", "not-a-member"].contains(code) {
                    clients[number].isSettled = false
                }
            default: break
            }
        }
    }

    private mutating func answered(_ number: Int, _ data: JSONValue, _ harness: inout ChannelHarness) {
        guard let found = data["treeID"]?.stringValue else {
            // Without its token a viewer joins anew.
            if number > 0 { clients[number].token = nil }
            clients[number].isSettled = false
            return
        }
        tree = found
        clients[number].token = data["peerTree"]?["resume"]
        clients[number].parent = nil
        for parent in data["peerTree"]?["parents"]?.arrayValue ?? [] {
            clients[number].parent = parent["id"]?.stringValue
            attach(number, parent, &harness)
        }
        if clients[number].isOriginal, let parent = data["peers"]?[0] { offer(number, parent, &harness) }
    }

    private mutating func offer(_ number: Int, _ parent: JSONValue, _ harness: inout ChannelHarness) {
        guard let socket = clients[number].socket else { return }
        sessions += 1
        let offer: JSONValue = [
            "signal": ["type": "offer"], "sessionId": .string("\(name) session \(sessions)"), "target": parent,
        ]
        harness.emit(socket, "simple-signal[offer]", offer, at: clients[number].gateway)
    }

    private func answer(_ number: Int, _ offer: JSONValue, _ harness: inout ChannelHarness) {
        guard let socket = clients[number].socket, let session = offer["sessionId"], let target = offer["initiator"]
        else { return }
        let answer: JSONValue = ["signal": ["type": "answer"], "sessionId": session, "target": target]
        harness.emit(socket, "simple-signal[signal]", answer, at: clients[number].gateway)
    }

    private func attach(_ number: Int, _ assignment: JSONValue, _ harness: inout ChannelHarness) {
        guard let socket = clients[number].socket, let epoch = assignment["epoch"] else { return }
        harness.emit(socket, "peer-tree[attached]", ["stripe": 0, "epoch": epoch], at: clients[number].gateway)
    }
}
