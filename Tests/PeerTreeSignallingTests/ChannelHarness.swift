import JSON
import PeerTreeCore
import PeerTreeSignallingWire
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// Gateways and a service of trees, with messages between them that take their time: each way in order, several at once,
/// and some twice. With every second pair of seeds they go as they would to another node, in their written form, which takes
/// twice as long.
struct ChannelHarness: Stage {
    private(set) var gateways: [Gateway] = []
    private(set) var trees: TreeService
    var now = Instant.zero
    /// What is on its way to the trees from each gateway.
    private(set) var up: [[ToTree]] = []
    private(set) var down: [[ToGateway]] = []
    /// Whom gateways want disconnected.
    private(set) var cut: [(id: String, gateway: Int)] = []
    /// How each gateway is called now: one that takes the place of another has a name of its own.
    private var names: [GatewayID] = []
    private let options: SignallingOptions
    private let seed: UInt64
    private var term: UInt64 = 1
    private var inboxes: [String: [SignallingHarness.Message]] = [:]
    /// Of a hundred messages that may come twice, how many do.
    var repeats = 0
    var random: SeededGenerator

    init(seed: UInt64, gateways count: Int = 2, _ configure: (inout SignallingOptions) -> Void = { _ in }) {
        var options = SignallingOptions()
        configure(&options)
        self.options = options
        self.seed = seed
        random = SeededGenerator(seed: seed)
        trees = TreeService(options: options, security: .test(), term: 1, random: SeededGenerator(seed: seed &+ 1))
        for number in 0..<count {
            let random = SeededGenerator(seed: seed &+ 2 &+ UInt64(number))
            gateways.append(Gateway(options: options, security: .test(), random: random))
            up.append([])
            down.append([])
            names.append(GatewayID(UInt32(number)))
        }
    }

    /// Something happens at a gateway. What follows from it is on its way.
    mutating func handle(_ input: Gateway.Input, at gateway: Int = 0) {
        gateways[gateway].handle(input, at: now)
        while let output = gateways[gateway].nextOutput() {
            switch output {
            case .send(let message): up[gateway].append(carried(message))
            case .emit(let id, let event, let payload):
                inboxes[id, default: []].append(SignallingHarness.Message(event: event, payload: payload))
            case .disconnect(let id): cut.append((id, gateway))
            case .probe, .answer: break
            }
        }
    }

    var gatewayCount: Int { gateways.count }

    func isConnected(_ id: String, at gateway: Int) -> Bool { gateways[gateway].clients[id] != nil }

    mutating func disconnect(_ id: String, at gateway: Int) {
        handle(.disconnected(id: id), at: gateway)
    }

    mutating func connect(_ id: String, at gateway: Int = 0) {
        handle(.connected(id: id, address: 7, token: nil), at: gateway)
    }

    mutating func emit(_ id: String, _ event: String, _ payload: JSONValue, at gateway: Int = 0) {
        handle(.event(id: id, name: event, arguments: [payload]), at: gateway)
    }

    /// What a client has been sent since the last time it looked.
    mutating func take(_ id: String) -> [SignallingHarness.Message] {
        inboxes.removeValue(forKey: id) ?? []
    }

    /// The answers that a client got to its discoveries.
    func discoveries(_ id: String) -> [JSONValue] {
        (inboxes[id] ?? []).filter { $0.event == "simple-signal[discover]" }.compactMap { $0.payload["discoveryData"] }
    }

    // MARK: Deliveries

    /// The oldest messages of a gateway reach the trees.
    mutating func deliverUp(_ count: Int = .max, of gateway: Int = 0) {
        let batch = up[gateway].prefix(count)
        up[gateway].removeFirst(batch.count)
        for message in batch {
            let isTwice = mayComeTwice(message) && Int.random(in: 0..<100, using: &random) < repeats
            for _ in 0..<(isTwice ? 2 : 1) { hand(.told(message, by: names[gateway])) }
        }
    }

    /// The oldest messages to a gateway reach it.
    mutating func deliverDown(_ count: Int = .max, to gateway: Int = 0) {
        let batch = down[gateway].prefix(count)
        down[gateway].removeFirst(batch.count)
        for message in batch { handle(.told(message), at: gateway) }
    }

    /// All that is on its way arrives, and what follows from it.
    mutating func settle() {
        while !up.allSatisfy(\.isEmpty) || !down.allSatisfy(\.isEmpty) {
            for gateway in gateways.indices {
                deliverUp(of: gateway)
                deliverDown(to: gateway)
            }
        }
    }

    /// Some of what is on its way arrives.
    mutating func deliverSome() {
        let gateway = Int.random(in: 0..<gateways.count, using: &random)
        let count = Int.random(in: 1...4, using: &random)
        if Bool.random(using: &random) { deliverUp(count, of: gateway) } else { deliverDown(count, to: gateway) }
    }

    mutating func wait(_ span: TimeSpan) {
        now = now + span
        hand(.deadlineReached)
    }

    // MARK: Crashes

    /// The service of the trees is gone with all that was on its way, and another one takes its place.
    mutating func replaceTrees() {
        term += 1
        let random = SeededGenerator(seed: seed &+ term &* 1_000)
        trees = TreeService(options: options, security: .test(), term: term, takenOverAt: now, random: random)
        for gateway in gateways.indices {
            up[gateway] = []
            down[gateway] = []
            handle(.lostTrees(Slot.all), at: gateway)
        }
    }

    /// A gateway is gone with its sockets and all that was on its way, and another one takes its place.
    mutating func replaceGateway(_ gateway: Int) {
        let random = SeededGenerator(seed: seed &+ UInt64(names[gateway].number) &* 77)
        gateways[gateway] = Gateway(options: options, security: .test(), random: random)
        up[gateway] = []
        down[gateway] = []
        let gone = names[gateway]
        names[gateway] = GatewayID(gone.number + 100)
        hand(.lost(gone))
    }

    /// Whom gateways have wanted disconnected since the last time.
    mutating func takeCut() -> [(id: String, gateway: Int)] {
        defer { cut = [] }
        return cut
    }

    private mutating func hand(_ input: TreeService.Input) {
        trees.handle(input, at: now)
        while let output = trees.nextOutput() {
            guard case .tell(let message, let name) = output, let gateway = names.firstIndex(of: name) else { continue }
            down[gateway].append(carried(message))
        }
    }

    // MARK: The written form

    private var isWritten: Bool { seed & 2 == 0 }

    private func carried(_ message: ToTree) -> ToTree {
        guard isWritten else { return message }
        do throws(WrittenFormError) {
            return same(message, try ToTree(written: message.written(), options: options))
        } catch {
            Issue.record("seed \(seed), \(message): \(error)")
            return message
        }
    }

    private func carried(_ message: ToGateway) -> ToGateway {
        guard isWritten else { return message }
        do throws(WrittenFormError) {
            return same(message, try ToGateway(written: message.written(), options: options))
        } catch {
            Issue.record("seed \(seed), \(message): \(error)")
            return message
        }
    }

    /// The message that was read, which has to be the one that was written.
    private func same<Message: Equatable>(_ written: Message, _ read: Message) -> Message {
        if read != written { Issue.record("seed \(seed), \(written) has become \(read)") }
        return read
    }

    private func mayComeTwice(_ message: ToTree) -> Bool {
        switch message {
        case .enter, .withdraw, .leave, .disconnected: true
        case .release, .event, .asked, .goingAway: false
        }
    }

    /// What gateways and trees, with nothing on its way, do not agree on.
    var disagreements: [String] {
        var found: [String] = []
        var seats: [UInt64: String] = [:]
        for gateway in gateways {
            found += gateway.pending.keys.map { "\($0) is not answered" }
            for (id, client) in gateway.clients {
                guard let membership = client.membership else { continue }
                if let other = seats.updateValue(id, forKey: membership.number) {
                    found.append("\(id) sits on \(other)")
                }
                let member = trees.memberNumbers[membership.number].flatMap { trees.members[$0] }
                if member?.id != id || member?.isConnected != true {
                    found.append("\(id) has a place that is not there")
                }
            }
        }
        for (peer, member) in trees.members where member.isConnected {
            if seats[member.number] != member.id {
                found.append("\(member.id) is connected in \(peer), and nowhere else")
            }
            if !trees.tracker.contains(peer) { found.append("\(member.id) is unknown to the tracker") }
        }
        let known = trees.trees.reduce(0) { $0 + ((try? trees.tracker.viewerCount(of: $1.key)) ?? -1) + 1 }
        if known != trees.members.count { found.append("\(known) peers in the tracker, \(trees.members.count) here") }
        return found
    }
}
