import JSON
import PeerTreeCore
import PeerTreeSignallingWire
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// Gateways and services of trees, with messages between them that take their time: each way in order, several at once,
/// and some twice. Slots move from one service to another, of which both and each gateway hear when they hear it. With every
/// second pair of seeds they go as they would to another node, in their written form, which takes
/// twice as long.
struct ChannelHarness: Stage {
    private(set) var gateways: [Gateway] = []
    private(set) var services: [TreeService] = []
    var now = Instant.zero
    /// What is on its way from each gateway to each service, and from each service to each gateway.
    private var up: [[[ToTree]]]
    private var down: [[[(message: ToGateway, fence: FencingToken)]]]
    /// Who has which slot.
    private var slots: SlotRoutes
    /// What services have given out of slots that they were to freeze.
    private var offers: [HandedSlot] = []
    /// Slots that were handed over with all that was known of them.
    private(set) var handedOver = 0
    /// Whom gateways want disconnected.
    private(set) var cut: [(id: String, gateway: Int)] = []
    /// How each gateway is called now: one that takes the place of another has a name of its own.
    private var names: [GatewayID] = []
    private let options: SignallingOptions
    private let seed: UInt64
    private var inboxes: [String: [SignallingHarness.Message]] = [:]
    /// Of a hundred messages that may come twice, how many do.
    var repeats = 0
    var random: SeededGenerator

    init(
        seed: UInt64,
        gateways count: Int = 2,
        services: Int = 1,
        _ configure: (inout SignallingOptions) -> Void = { _ in }
    ) {
        var options = SignallingOptions()
        configure(&options)
        self.options = options
        self.seed = seed
        random = SeededGenerator(seed: seed)
        up = Array(repeating: Array(repeating: [], count: services), count: count)
        down = Array(repeating: Array(repeating: [], count: count), count: services)
        slots = SlotRoutes(services: services, gateways: count)
        for number in 0..<services { self.services.append(makeService(number, random: 1 &+ 100 &* UInt64(number))) }
        for number in 0..<count {
            let random = SeededGenerator(seed: seed &+ 2 &+ UInt64(number))
            gateways.append(Gateway(options: options, security: .test(), random: random))
            names.append(GatewayID(0, at: NodeSession(UInt32(number))))
            learn(number)
        }
    }

    /// The one service there is.
    var trees: TreeService { services[0] }

    /// A service that has come to have its slots just now.
    private func makeService(_ number: Int, random: UInt64) -> TreeService {
        var tenures = SlotTenures()
        for (slot, term) in slots.terms(of: number) { tenures.begin(slot, term: term, at: now) }
        let random = SeededGenerator(seed: seed &+ random)
        return TreeService(options: options, security: .test(), slots: tenures, random: random)
    }

    /// Something happens at a gateway. What follows from it is on its way.
    mutating func handle(_ input: Gateway.Input, at gateway: Int = 0) {
        gateways[gateway].handle(input, at: now)
        while let output = gateways[gateway].nextOutput() {
            switch output {
            case .send(let message, let service):
                for receiver in service.map({ [Int($0.number)] }) ?? Array(services.indices) {
                    up[gateway][receiver].append(carried(message))
                }
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

    /// The oldest messages of a gateway reach a service.
    mutating func deliverUp(_ count: Int = .max, of gateway: Int = 0, to service: Int = 0) {
        let batch = up[gateway][service].prefix(count)
        up[gateway][service].removeFirst(batch.count)
        for message in batch {
            let isTwice = mayComeTwice(message) && Int.random(in: 0..<100, using: &random) < repeats
            for _ in 0..<(isTwice ? 2 : 1) { hand(.told(message, by: names[gateway]), to: service) }
        }
    }

    /// The oldest messages of a service reach a gateway.
    mutating func deliverDown(_ count: Int = .max, to gateway: Int = 0, of service: Int = 0) {
        let batch = down[service][gateway].prefix(count)
        down[service][gateway].removeFirst(batch.count)
        for (message, fence) in batch { handle(.told(message, fence), at: gateway) }
    }

    private var isQuiet: Bool {
        slots.isQuiet && offers.isEmpty && (up.joined().map(\.isEmpty) + down.joined().map(\.isEmpty)).allSatisfy { $0 }
    }

    /// All that is on its way arrives, and what follows from it.
    mutating func settle() {
        while !isQuiet {
            while !offers.isEmpty { decideOffer() }
            for service in services.indices { letGo(service) }
            for gateway in gateways.indices {
                learn(gateway)
                for service in services.indices {
                    deliverUp(of: gateway, to: service)
                    deliverDown(to: gateway, of: service)
                }
            }
        }
    }

    /// Some of what is on its way arrives.
    mutating func deliverSome() {
        let gateway = Int.random(in: 0..<gateways.count, using: &random)
        let service = Int.random(in: 0..<services.count, using: &random)
        let count = Int.random(in: 1...4, using: &random)
        // A gateway mostly hears of a new owner first; who was replaced may go on as if it was not for seconds.
        switch Int.random(in: 0..<200, using: &random) {
        case 0..<8: learn(gateway)
        case 8: letGo(service)
        case 9..<17: decideOffer()
        default: break
        }
        if Bool.random(using: &random) {
            deliverUp(count, of: gateway, to: service)
        } else {
            deliverDown(count, to: gateway, of: service)
        }
    }

    mutating func wait(_ span: TimeSpan) {
        now = now + span
        for service in services.indices { hand(.deadlineReached, to: service) }
    }

    // MARK: Crashes

    /// A service is gone with all that was on its way, and another one takes its place. The gateways tell it whom they have.
    mutating func replaceTrees(_ service: Int = 0) {
        slots.beginTerms(of: service)
        services[service] = makeService(service, random: UInt64(slots.newestTerm.revision) &* 1_000)
        for gateway in gateways.indices {
            up[gateway][service] = []
            down[service][gateway] = []
            learn(gateway)
        }
    }

    // MARK: Slots

    /// Some slots become another service's. Who had them goes on as if it still did until it hears of it.
    mutating func moveSlots() {
        let service = Int.random(in: 0..<services.count, using: &random)
        let moved = Slot.all.sorted { $0.number < $1.number }.filter { _ in Bool.random(using: &random) }
        // Whoever takes a slot knows whether it has had it before.
        letGo(service)
        let terms = slots.move(Set(moved), to: service)
        hand(.took(terms), to: service)
    }

    /// The slots of all trees, and some without, are to go to other services: who has one freezes it.
    mutating func offerSlots() {
        guard services.count > 1 else { return }
        for service in services.indices {
            let used = Set(services[service].trees.values.map { Slot(ofTree: $0.id) })
            let some = used.union([Slot(number: 1), Slot(number: 2)]).sorted { $0.number < $1.number }
            for slot in some where Bool.random(using: &random) { hand(.freeze(slot), to: service) }
        }
    }

    /// A slot that was offered becomes another service's, or stays.
    private mutating func decideOffer() {
        guard let number = offers.indices.randomElement(using: &random) else { return }
        let offer = offers.remove(at: number)
        let isCurrent = slots.service(of: offer.slot) == offer.service && slots.term(of: offer.slot) == offer.term
        let successor = (offer.service + 1) % services.count
        guard isCurrent, Int.random(in: 0..<3, using: &random) > 0 else {
            return hand(.thaw(offer.slot), to: offer.service)
        }
        letGo(successor)
        let inherited = offer.snapshot.map { _ in offer.term }
        hand(.took(slots.move([offer.slot], to: successor, inherited: inherited)), to: successor)
        guard let snapshot = offer.snapshot else { return }
        handedOver += 1
        hand(.inherited(offer.slot, carried(snapshot)), to: successor)
    }

    /// A gateway hears who has which slots now.
    private mutating func learn(_ gateway: Int) {
        let news = slots.takeNews(of: gateway)
        if !news.isEmpty { handle(.learned(news), at: gateway) }
    }

    /// A service hears which slots are others' now.
    private mutating func letGo(_ service: Int) {
        let lost = slots.takeLost(by: service)
        if !lost.isEmpty { hand(.letGo(lost), to: service) }
    }

    // MARK: Gateways

    /// A gateway is gone with its sockets and all that was on its way, and another one takes its place.
    mutating func replaceGateway(_ gateway: Int) {
        let random = SeededGenerator(seed: seed &+ UInt64(names[gateway].node.number) &* 77)
        gateways[gateway] = Gateway(options: options, security: .test(), random: random)
        let gone = names[gateway].node
        names[gateway] = GatewayID(0, at: NodeSession(gone.number + 100))
        slots.forget(gateway)
        for service in services.indices {
            up[gateway][service] = []
            down[service][gateway] = []
            hand(.lost(gone), to: service)
        }
    }

    /// Whom gateways have wanted disconnected since the last time.
    mutating func takeCut() -> [(id: String, gateway: Int)] {
        defer { cut = [] }
        return cut
    }

    private mutating func hand(_ input: TreeService.Input, to service: Int) {
        services[service].handle(input, at: now)
        while let output = services[service].nextOutput() {
            switch output {
            case .tell(let message, let name, let fence):
                guard let gateway = names.firstIndex(of: name) else { continue }
                down[service][gateway].append((carried(message), fence))
            case .snapshot(let slot, let term, let snapshot):
                offers.append(HandedSlot(slot: slot, term: term, service: service, snapshot: snapshot))
            }
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

    private func carried(_ snapshot: SlotSnapshot) -> SlotSnapshot {
        guard isWritten else { return snapshot }
        var read = SlotSnapshot()
        read.gateways = snapshot.gateways
        do throws(WrittenFormError) {
            for part in snapshot.written() { try read.add(written: part, options: options) }
        } catch {
            Issue.record("seed \(seed), \(snapshot): \(error)")
        }
        return read
    }

    /// The message that was read, which has to be the one that was written.
    private func same<Message: Equatable>(_ written: Message, _ read: Message) -> Message {
        if read != written { Issue.record("seed \(seed), \(written) has become \(read)") }
        return read
    }

    private func mayComeTwice(_ message: ToTree) -> Bool {
        switch message {
        case .enter, .announce, .withdraw, .leave, .disconnected: true
        case .release, .event, .asked, .held, .goingAway: false
        }
    }

    /// Whether a member has this parent, by any of its ids; nil stands for nobody.
    func isParent(_ parent: String?, of socket: String) -> Bool {
        guard let service = services.first(where: { $0.memberIDs[socket] != nil }), let peer = service.memberIDs[socket]
        else { return false }
        let found = (try? service.tracker.parent(of: peer)).flatMap { $0 }
        return parent.map { service.memberIDs[$0] == found && found != nil } ?? (found == nil)
    }

    /// What gateways and trees, with nothing on its way, do not agree on.
    var disagreements: [String] {
        var found: [String] = []
        var seats: [UInt64: String] = [:]
        for gateway in gateways {
            found += gateway.pending.keys.map { "\($0) is not answered" }
            for (id, client) in gateway.clients {
                guard let token = client.token else { continue }
                if let other = seats.updateValue(id, forKey: token.number) {
                    found.append("\(id) sits on \(other)")
                }
                let service = services[slots.service(of: Slot(ofTree: token.treeID))]
                let member = service.memberNumbers[token.number].flatMap { service.members[$0] }
                if member?.id != id || member?.isConnected != true {
                    found.append("\(id) has a place that is not there")
                }
            }
        }
        for service in services {
            for (peer, member) in service.members where member.isConnected {
                if seats[member.number] != member.id {
                    found.append("\(member.id) is connected in \(peer), and nowhere else")
                }
                if !service.tracker.contains(peer) { found.append("\(member.id) is unknown to the tracker") }
            }
            let known = service.trees.keys.reduce(0) { $0 + ((try? service.tracker.viewerCount(of: $1)) ?? -1) + 1 }
            if known != service.members.count {
                found.append("\(known) peers in the tracker, \(service.members.count) here")
            }
        }
        return found
    }
}

/// What a service has given out of a slot that it was to freeze.
struct HandedSlot {
    let slot: Slot
    let term: SlotTerm
    let service: Int
    let snapshot: SlotSnapshot?
}
