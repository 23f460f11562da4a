import JSON
import PeerTreeCore
import Synchronization
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// A service with clients that remember what they were sent.
struct SignallingHarness {
    struct Message: Equatable {
        var event: String
        var payload: JSONValue

        /// As it travels in a Socket.IO packet.
        var frame: String { "42" + JSONValue.array([.string(event), payload]).jsonString }
    }

    var service: SignallingService
    var now = Instant.zero
    private(set) var inboxes: [String: [Message]] = [:]
    /// Whom the service wants disconnected.
    private(set) var disconnected: [String] = []
    /// What dashboards were answered and have not looked at, by their number.
    private var answers: [Int: [DashboardAnswer]] = [:]
    /// Whom it wants asked.
    private(set) var probed: [String] = []

    init(
        seed: UInt64 = 1,
        security: SignallingSecurity = .test(),
        _ configure: (inout SignallingOptions) -> Void = { _ in }
    ) {
        var options = SignallingOptions()
        configure(&options)
        service = SignallingService(
            options: options,
            security: security,
            term: SlotTerm(incarnation: 0, revision: Int64(clamping: Self.nextTerm())),
            random: SeededGenerator(seed: seed)
        )
    }

    private static let terms = Atomic<UInt64>(0)

    /// Whoever is made later has come after.
    private static func nextTerm() -> UInt64 {
        terms.add(1, ordering: .relaxed).newValue
    }

    mutating func connect(_ ids: String...) {
        for id in ids { handle(.connected(id: id)) }
    }

    mutating func handle(_ input: SignallingService.Input) {
        service.handle(input, at: now)
        drain()
    }

    mutating func wait(_ span: TimeSpan) {
        now = now + span
        handle(.deadlineReached)
    }

    /// Emits one event, and returns what the sender was sent meanwhile.
    @discardableResult
    mutating func emit(_ id: String, _ event: String, _ arguments: JSONValue...) -> [Message] {
        emit(id, event, arguments: arguments)
    }

    @discardableResult
    mutating func emit(_ id: String, _ event: String, arguments: [JSONValue]) -> [Message] {
        let before = inboxes[id]?.count ?? 0
        handle(.event(id: id, name: event, arguments: arguments))
        return Array((inboxes[id] ?? []).dropFirst(before))
    }

    /// What a client has been sent since the last time it looked.
    mutating func take(_ id: String) -> [Message] {
        inboxes.removeValue(forKey: id) ?? []
    }

    /// What a client was sent by this event, oldest first; looking does not take it.
    func payloads(_ id: String, _ event: String) -> [JSONValue] {
        (inboxes[id] ?? []).filter { $0.event == event }.map(\.payload)
    }

    mutating func clearInboxes() {
        inboxes = [:]
    }

    /// Connects `id` as a native source and returns its tree's id.
    mutating func createTree(_ id: String, _ extra: JSONObject = [:]) throws -> String {
        connect(id)
        var native: JSONObject = ["v": 2]
        for member in extra { native[member.key] = member.value }
        let reply = emit(id, "simple-signal[discover]", ["createNew": true, "peerTree": .object(native)])
        return try #require(reply.first?.payload["discoveryData"]?["treeID"]?.stringValue)
    }

    /// Connects `id` as a native viewer and returns its parent.
    @discardableResult
    mutating func join(_ id: String, _ tree: String, _ extra: JSONObject = [:]) throws -> String {
        connect(id)
        var native: JSONObject = ["v": 2]
        for member in extra { native[member.key] = member.value }
        let reply = emit(id, "simple-signal[discover]", ["treeID": .string(tree), "peerTree": .object(native)])
        return try #require(reply.last?.payload["discoveryData"]?["peers"]?[0]?.stringValue)
    }

    /// Connects `id` as a legacy viewer and returns its parent.
    @discardableResult
    mutating func joinLegacy(_ id: String, _ tree: String) throws -> String {
        connect(id)
        let reply = emit(id, "simple-signal[discover]", ["treeID": .string(tree)])
        return try #require(reply.last?.payload["discoveryData"]?["peers"]?[0]?.stringValue)
    }

    @discardableResult
    mutating func offer(_ id: String, to target: String, session: String) -> [Message] {
        emit(
            id,
            "simple-signal[offer]",
            ["signal": ["type": "offer", "sdp": "v=0"], "sessionId": .string(session), "target": .string(target)]
        )
    }

    /// Asks as a dashboard, and returns the one answer.
    mutating func ask(_ question: DashboardQuestion, as watcher: Int = 0) throws -> DashboardAnswer {
        handle(.asked(watcher: watcher, question))
        let answers = answers.removeValue(forKey: watcher) ?? []
        try #require(answers.count == 1)
        return answers[0]
    }

    /// How a tree hangs together; nil if there is none of this id. Asking changes nothing here.
    func shape(of tree: String) -> TreeShape? {
        var copy = self
        guard case .shape(let shape)? = try? copy.ask(.shape(tree: tree)) else { return nil }
        return shape
    }

    func resumeToken(_ id: String) -> String? {
        payloads(id, "simple-signal[discover]").last?["discoveryData"]?["peerTree"]?["resume"]?.stringValue
    }

    /// Everything that must not change when an input is refused.
    var fingerprint: [String] {
        var lines = service.members.map { peer, member in
            let parents = (0..<member.stripes).map { try? service.tracker.assignment(of: peer, stripe: $0) }
            return "\(peer) \(member.ids) \(member.isConnected) \(member.sessions.count) \(member.begun) \(parents)"
        }
        lines += service.trees.map { "\($0.key) \($0.value.id) \($0.value.source)" }
        lines += service.clients.map { "\($0.key) \(String(describing: $0.value.token))" }
        lines += ["\(service.memberIDs.count) \(service.memberNumbers.count) \(service.treeIDs.ids.count)"]
        return lines.sorted()
    }

    /// What is inconsistent in the service's tables.
    var inconsistencies: [String] {
        var found: [String] = []
        for (peer, member) in service.members {
            if !service.tracker.contains(peer) { found.append("\(member.id) is unknown to the tracker") }
            if member.isConnected != (service.clients[member.id]?.token?.number == member.number) {
                found.append("\(member.id): connected is \(member.isConnected)")
            }
            for (id, session) in member.sessions {
                if service.members[session.other]?.sessions[id]?.other != peer {
                    found.append("session \(id) has one end")
                }
            }
            if member.sessions.values.count(where: \.isInitiator) != member.begun.count {
                found.append("\(member.id): begun sessions differ")
            }
        }
        for (id, peer) in service.memberIDs where !(service.members[peer]?.ids.contains(id) ?? false) {
            found.append("id \(id) leads nowhere")
        }
        for (id, client) in service.clients {
            guard let token = client.token else { continue }
            let peer = service.memberNumbers[token.number]
            if peer.flatMap({ service.members[$0] })?.id != id { found.append("client \(id) is astray") }
        }
        let known = service.trees.reduce(0) { $0 + ((try? service.tracker.viewerCount(of: $1.key)) ?? -1) + 1 }
        if known != service.members.count {
            found.append("\(known) peers in the tracker, \(service.members.count) here")
        }
        if !service.gateway.pending.values.allSatisfy({ $0.phase == .waiting }) {
            found.append("somebody is not answered")
        }
        if service.trees.count != service.treeIDs.ids.count { found.append("tree ids differ") }
        return found
    }

    private mutating func drain() {
        while let output = service.nextOutput() {
            switch output {
            case .emit(let id, let event, let payload):
                inboxes[id, default: []].append(Message(event: event, payload: payload))
            case .probe(let id):
                probed.append(id)
            case .disconnect(let id):
                disconnected.append(id)
            case .answer(let watcher, let answer):
                answers[watcher, default: []].append(answer)
            case .tell, .send, .snapshot: Issue.record("a service that is alone tells another")
            }
        }
    }
}
