import JSON
import PeerTreeCore
import PeerTreeSignalling
import TestSupport

@testable import PeerTreeCluster

// What clients are told, and what they do then: by the rules of `Membership`.

extension NodeWorld {
    /// What a loop wants done at its sockets.
    mutating func carryOut(_ output: SignallingService.Output, of address: Address) {
        switch output {
        case .emit(let id, let event, let payload):
            guard let number = sockets[id], let socket = clients[number].socket, socket.id == id else { return }
            let at = max(now + delay(1...20), socket.toldUntil)
            clients[number].socket?.toldUntil = at
            plan(.told(client: number, socket: id, event: event, payload), at: at)
        case .probe(let id):
            guard let number = sockets[id], clients[number].socket?.id != id else { return }
            plan(.arrive(address, .loop([.disconnected(id: id)])), in: .seconds(1))
        case .disconnect(let id):
            guard let number = sockets[id], clients[number].socket?.id == id else { return }
            ledger.violate("node\(address.node) disconnects client \(number)", at: now)
        case .answer, .tell, .send, .snapshot: break
        }
    }

    mutating func tell(_ number: Int, on socket: String, _ event: String, _ payload: JSONValue) {
        guard clients[number].isAlive, clients[number].socket?.id == socket else { return }
        switch event {
        case "simple-signal[discover]": answered(number, payload["discoveryData"] ?? [:])
        case "simple-signal[offer]": answerOffer(number, payload)
        case "peer-tree[assign]": assign(number, payload, isAnswer: false)
        case "peer-tree[resume]": clients[number].token = payload["resume"]
        case "peer-tree[admit]": admit(number, payload)
        case "peer-tree[child-gone]":
            if payload["kind"] == nil { clients[number].children.removeAll { $0.id == payload["id"]?.stringValue } }
        case "peer-tree[end]": lose(number, "end: \(payload["reason"]?.stringValue ?? "")")
        case "peer-tree[error]": refused(number, payload["code"]?.stringValue ?? "")
        case "peer-tree[going-away]": breakSocket(number)
        default: break
        }
    }

    // MARK: Places

    private mutating func answered(_ number: Int, _ data: JSONValue) {
        guard case .asking = clients[number].standing else { return }
        guard let tree = data["treeID"]?.stringValue else {
            let code = data["code"]?.stringValue ?? "none"
            clients[number].standing = .nowhere
            return refusedPlace(number, code)
        }
        clients[number].standing = .member
        clients[number].token = data["peerTree"]?["resume"]
        if let socket = clients[number].socket { clients[number].names.append(socket.id) }
        if clients[number].isSource {
            if let before = trees[clients[number].audience], before != tree {
                ledger.note("audience \(clients[number].audience) has another tree", at: now)
            }
            trees[clients[number].audience] = tree
        } else {
            clients[number].epoch = 0
            for parent in data["peerTree"]?["parents"]?.arrayValue ?? [] { assign(number, parent, isAnswer: true) }
        }
        ledger.note("client \(number) is in slot \(Slot(ofTree: tree).number), epoch \(clients[number].epoch)", at: now)
    }

    private mutating func refusedPlace(_ number: Int, _ code: String) {
        ledger.note("client \(number) is refused: \(code)", at: now)
        switch code {
        case "tree-full", "server-full", "too-many-joins": break
        default: lose(number, code)
        }
    }

    /// A member is told that something it said was not taken.
    private mutating func refused(_ number: Int, _ code: String) {
        ledger.note("client \(number) hears: \(code)", at: now)
        guard clients[number].isMember else { return }
        switch code {
        // An old socket's question may come late, and then the newer socket loses the place: a source asks for it again.
        case "resumed-elsewhere" where clients[number].isSource: clients[number].standing = .nowhere
        case "attach-timeout", "resumed-elsewhere": lose(number, code)
        case "not-a-member": clients[number].standing = .nowhere
        default: break
        }
    }

    /// The client's place, or its tree, is gone: it begins anew.
    private mutating func lose(_ number: Int, _ reason: String) {
        ledger.note("client \(number) has lost its place: \(reason)", at: now)
        let hadToken = clients[number].token != nil
        if hadToken { clients[number].losses.append(reason) }
        // What an old socket asked may come behind what the next one did.
        if hadToken, clients[number].isSource || options.isGentle && reason != "resumed-elsewhere" {
            ledger.violate("client \(number) is told to leave its place: \(reason)", at: now)
        }
        clients[number].forgetPlace()
        clients[number].standing = .nowhere
    }

    private mutating func assign(_ number: Int, _ assignment: JSONValue, isAnswer: Bool) {
        guard clients[number].isMember, !clients[number].isSource, assignment["stripe"]?.intValue == 0,
            let epoch = assignment["epoch"]?.intValue
        else { return }
        guard epoch >= clients[number].epoch else {
            return ledger.violate("client \(number) is given epoch \(epoch) after \(clients[number].epoch)", at: now)
        }
        clients[number].epoch = epoch
        // Without a parent no slot is free just now: another assignment follows.
        guard let parent = (assignment["parent"] ?? assignment["id"])?.stringValue else { return }
        ledger.note("client \(number) is below \(parent), epoch \(epoch)", at: now)
        if sockets[parent] != sockets[clients[number].parent?.id ?? ""] || clients[number].parent == nil {
            clients[number].parent = WorldClient.Neighbour(id: parent)
            offer(number, to: parent)
        } else {
            clients[number].parent?.id = parent
        }
        emit("peer-tree[attached]", ["stripe": 0, "epoch": JSONValue(epoch)], by: number)
    }

    private mutating func offer(_ number: Int, to parent: String) {
        let session = "session\(random.next())"
        clients[number].parent?.session = session
        let offer: JSONValue = [
            "signal": ["type": "offer"], "sessionId": .string(session), "target": .string(parent),
        ]
        emit("simple-signal[offer]", offer, by: number)
    }

    private mutating func answerOffer(_ number: Int, _ offer: JSONValue) {
        guard let initiator = offer["initiator"]?.stringValue, let session = offer["sessionId"]?.stringValue else {
            return
        }
        for position in clients[number].children.indices where clients[number].children[position].id == initiator {
            clients[number].children[position].session = session
        }
        let answer: JSONValue = [
            "signal": ["type": "answer"], "sessionId": .string(session), "target": .string(initiator),
        ]
        emit("simple-signal[signal]", answer, by: number)
    }

    private mutating func admit(_ number: Int, _ payload: JSONValue) {
        guard payload["kind"] == nil, let id = payload["id"]?.stringValue else { return }
        if !clients[number].children.contains(where: { $0.id == id }) {
            clients[number].children.append(WorldClient.Neighbour(id: id))
        }
    }
}
