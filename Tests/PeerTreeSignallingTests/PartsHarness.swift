import JSON
import PeerTreeCore
import TestSupport

@testable import PeerTreeSignalling

/// A server in several parts, between which messages take their time, in order.
struct PartsHarness: Stage {
    private(set) var parts: [SignallingService]
    var now = Instant.zero
    /// What is on its way, by sender and receiver.
    private var letters: [[[PartMessage]]]
    private var inboxes: [String: [SignallingHarness.Message]] = [:]
    private var answers: [Int: [DashboardAnswer]] = [:]
    private var random: SeededGenerator

    init(_ count: Int, seed: UInt64, _ configure: (inout SignallingOptions) -> Void = { _ in }) {
        var options = SignallingOptions()
        configure(&options)
        let limits = SharedLimits(options)
        parts = (0..<count).map {
            SignallingService(
                options: options,
                security: .test(),
                term: 1,
                part: SignallingPart($0, of: count),
                limits: limits,
                random: SeededGenerator(seed: seed &+ UInt64($0))
            )
        }
        letters = Array(repeating: Array(repeating: [], count: count), count: count)
        random = SeededGenerator(seed: seed)
    }

    var gatewayCount: Int { parts.count }

    func isConnected(_ id: String, at part: Int) -> Bool { parts[part].clients[id] != nil }

    mutating func connect(_ id: String, at part: Int) {
        handle(.connected(id: id, address: 7), at: part)
    }

    mutating func disconnect(_ id: String, at part: Int) {
        handle(.disconnected(id: id), at: part)
    }

    mutating func emit(_ id: String, _ event: String, _ payload: JSONValue, at part: Int) {
        handle(.event(id: id, name: event, arguments: [payload]), at: part)
    }

    mutating func take(_ id: String) -> [SignallingHarness.Message] {
        inboxes.removeValue(forKey: id) ?? []
    }

    func discoveries(_ id: String) -> [JSONValue] {
        (inboxes[id] ?? []).filter { $0.event == "simple-signal[discover]" }.compactMap { $0.payload["discoveryData"] }
    }

    /// Asks as a dashboard at the first part, and returns the one answer.
    mutating func ask(_ question: DashboardQuestion, as watcher: Int) -> DashboardAnswer? {
        handle(.asked(watcher: watcher, question), at: 0)
        settle()
        return answers.removeValue(forKey: watcher)?.last
    }

    mutating func handle(_ input: SignallingService.Input, at part: Int) {
        parts[part].handle(input, at: now)
        while let output = parts[part].nextOutput() {
            switch output {
            case .emit(let id, let event, let payload):
                inboxes[id, default: []].append(SignallingHarness.Message(event: event, payload: payload))
            case .answer(let watcher, let answer): answers[watcher, default: []].append(answer)
            case .tell(let message, let other): letters[part][other].append(message)
            case .probe, .disconnect, .send, .snapshot: break
            }
        }
    }

    /// Some of what is on its way arrives.
    mutating func deliverSome() {
        let sender = Int.random(in: 0..<parts.count, using: &random)
        let receiver = Int.random(in: 0..<parts.count, using: &random)
        deliver(Int.random(in: 1...4, using: &random), from: sender, to: receiver)
    }

    /// All that is on its way arrives, and what follows from it.
    mutating func settle() {
        while letters.contains(where: { $0.contains { !$0.isEmpty } }) {
            for sender in parts.indices {
                for receiver in parts.indices { deliver(.max, from: sender, to: receiver) }
            }
        }
    }

    private mutating func deliver(_ count: Int, from sender: Int, to receiver: Int) {
        let batch = letters[sender][receiver].prefix(count)
        letters[sender][receiver].removeFirst(batch.count)
        for letter in batch { handle(.told(letter), at: receiver) }
    }

    mutating func wait(_ span: TimeSpan) {
        now = now + span
        for part in parts.indices { handle(.deadlineReached, at: part) }
    }

    /// What the parts, with nothing on its way, do not agree on.
    var disagreements: [String] {
        var found: [String] = []
        var seats: [UInt64: String] = [:]
        for part in parts {
            found += part.gateway.pending.keys.map { "\($0) is not answered" }
            for (id, client) in part.clients {
                guard let token = client.token else { continue }
                if let other = seats.updateValue(id, forKey: token.number) {
                    found.append("\(id) sits on \(other)")
                }
            }
        }
        for (number, part) in parts.enumerated() {
            for (peer, member) in part.members where member.isConnected {
                if seats.removeValue(forKey: member.number) != member.id {
                    found.append("\(member.id) is connected in \(peer), and nowhere else")
                }
            }
            for id in part.treeIDs.ids
            where SignallingPart(0, of: parts.count).part(of: Slot(ofTree: id)) != number {
                found.append("tree \(id) is in part \(number)")
            }
        }
        found += seats.values.map { "\($0) has a place that is not there" }
        return found
    }
}
