import NodeLinks
import PeerTreeCore
import PeerTreeSignalling
import PeerTreeSignallingWire
import TestSupport

@testable import PeerTreeCluster

// Nodes, driven as `ClusterMember` and the loops of a server drive them.

extension NodeWorld {
    mutating func start(_ number: Int) {
        guard nodes[number].process == nil, let id = NodeID(name: nodes[number].name.description, run: random.next()),
            let record = NodeRecord(id: id, address: "\(id.name):7000")
        else { return }
        nodes[number].life += 1
        nodes[number].stoppedUntil = .zero
        var ownership = OwnershipOptions()
        ownership.slots = options.slots
        ownership.unixMillisecondsAtZero = 1_700_000_000_000
        let signalling = Self.signalling
        let limits = SharedLimits(signalling)
        let loops = (0..<options.loops).map { part in
            SignallingService(
                options: signalling,
                security: .world,
                term: nil,
                startedAt: now,
                part: SignallingPart(part, of: options.loops),
                limits: limits,
                random: SlottedGenerator(seed: random.next(), slots: options.slots)
            )
        }
        nodes[number].process = WorldProcess(
            id: id,
            cluster: ClusterNode(id, version: nil, options: signalling),
            ownership: SlotOwnership(record, options: ownership, at: now),
            loops: loops
        )
        ledger.note("\(id) starts", at: now)
        etcd.watches[number] = nil
        for part in loops.indices { post(.loop([.reachable]), to: .loop(part), of: number) }
        post(.ownership(.deadlineReached), to: .ownership, of: number)
    }

    static var signalling: SignallingOptions {
        var options = SignallingOptions()
        options.unixTimeAtZero = 1_700_000_000
        options.tracker.resumeWindow = .seconds(60)
        options.tracker.sourceResumeWindow = .seconds(60)
        options.tracker.childrenPerPeer = 2
        options.tracker.childrenOfSource = 3
        return options
    }

    /// A node dies without a word, and its sockets with it.
    mutating func kill(_ number: Int) {
        guard let process = nodes[number].process else { return }
        ledger.note("\(process.id) dies", at: now)
        nodes[number].process = nil
        etcd.watches[number] = nil
    }

    func isRunning(_ number: Int) -> Bool { nodes[number].process != nil && nodes[number].stoppedUntil <= now }

    // MARK: Executors

    /// What comes to an executor is handled in its order.
    mutating func post(_ message: Message, to executor: Executor, of number: Int) {
        post(message, to: Address(node: number, life: nodes[number].life, executor: executor))
    }

    mutating func post(_ message: Message, to address: Address) {
        guard isThere(address) else { return }
        let turn = now + TimeSpan(nanoseconds: UInt64.random(in: 0...500_000, using: &random))
        let at = max(turn, nodes[address.node].process?.busyUntil[address.executor] ?? .zero)
        nodes[address.node].process?.busyUntil[address.executor] = at
        plan(.handle(address, message), at: at)
    }

    func isThere(_ address: Address) -> Bool {
        nodes[address.node].process != nil && nodes[address.node].life == address.life
    }

    mutating func wake(_ address: Address) {
        guard isThere(address), nodes[address.node].process?.wakes[address.executor] == now else { return }
        nodes[address.node].process?.wakes[address.executor] = nil
        switch address.executor {
        case .cluster: break
        case .ownership: post(.ownership(.deadlineReached), to: address)
        case .loop: post(.loop([.deadlineReached]), to: address)
        }
    }

    private mutating func setTimer(_ deadline: Instant?, _ address: Address) {
        guard let deadline else { return }
        let at = max(deadline, now + .milliseconds(1))
        if let set = nodes[address.node].process?.wakes[address.executor], set <= at, set > now { return }
        nodes[address.node].process?.wakes[address.executor] = at
        plan(.wake(address), at: at)
    }

    mutating func handle(_ message: Message, at address: Address) {
        guard isThere(address) else { return }
        guard nodes[address.node].stoppedUntil <= now, nodes[address.node].held.isEmpty else {
            return nodes[address.node].held.append((address, message))
        }
        carryOut(message, at: address)
    }

    /// A node stands still.
    mutating func stop(_ number: Int, until end: Instant) {
        nodes[number].stoppedUntil = max(end, nodes[number].stoppedUntil)
        plan(.goOn(node: number), at: end)
    }

    /// A node that stood still does all that has come meanwhile.
    mutating func goOn(_ number: Int) {
        guard nodes[number].stoppedUntil <= now else { return }
        let held = nodes[number].held
        nodes[number].held = []
        for (address, message) in held where isThere(address) { carryOut(message, at: address) }
    }

    private mutating func carryOut(_ message: Message, at address: Address) {
        switch message {
        case .cluster(let input): handle(input, at: address)
        case .ownership(let input): handle(input, at: address)
        case .loop(let inputs):
            guard case .loop(let part) = address.executor else { return }
            handle(inputs, part, at: address)
        }
    }

    // MARK: The cluster

    private mutating func handle(_ input: ClusterNode.Input, at address: Address) {
        nodes[address.node].process?.cluster.handle(input)
        while let output = nodes[address.node].process?.cluster.nextOutput() { carryOut(output, of: address.node) }
    }

    private mutating func carryOut(_ output: ClusterNode.Output, of number: Int) {
        switch output {
        case .link(let name, _): if let other = node(name) { addLink(number, other) }
        case .unlink(let name): if let other = node(name) { removeLink(number, other) }
        case .send(let name, let frame): if let other = node(name) { send(frame, from: number, to: other) }
        case .tell(let input): tellAll(input, of: number)
        case .toTrees(let letters, let gateway): deliver(letters, by: gateway, of: number)
        case .toGateway(let letters, let part, _): deliver(letters, to: Int(part), of: number)
        case .ownership(let input): post(.ownership(input), to: .ownership, of: number)
        case .noticed(let notice): hear(notice, of: number)
        }
    }

    private func node(_ name: NodeName) -> Int? { nodes.firstIndex { $0.name == name } }

    private mutating func tellAll(_ input: SignallingService.Input, of number: Int) {
        if case .took(let terms) = input, let id = nodes[number].process?.id {
            for (slot, term) in terms.sorted(by: { $0.key.number < $1.key.number }) {
                ledger.note("\(id.name) takes slot \(slot.number) in \(term.revision)", at: now)
                ledger.acts(id, FencingToken(slot: slot, term: term), at: now)
            }
        }
        note(input, of: number)
        for part in 0..<options.loops { post(.loop([input]), to: .loop(part), of: number) }
    }

    private mutating func note(_ input: SignallingService.Input, of number: Int) {
        switch input {
        case .letGo(let slots): ledger.note("node\(number) lets slots \(slots.map(\.number).sorted()) go", at: now)
        case .learned(let owners):
            let words = owners.sorted { $0.key.number < $1.key.number }.map { slot, owner in
                "\(slot.number): session \(owner.node.number) in \(owner.term.revision)"
            }
            ledger.note("node\(number) learns of slots \(words)", at: now)
        case .lost(let session): ledger.note("node\(number) has lost session \(session.number)", at: now)
        case .linked(let session, let isReachable):
            ledger.note("node\(number) reaches session \(session.number): \(isReachable)", at: now)
        default: break
        }
    }

    private mutating func deliver(_ letters: [LetterToTree], by gateway: GatewayID, of number: Int) {
        for part in 0..<options.loops {
            let mine = letters.filter { SignallingPart.part(of: $0.slot, among: options.loops) == part }
            guard !mine.isEmpty else { continue }
            var unreadable: [String] = []
            let read = NodeMail.read(mine, by: gateway, options: Self.signalling) { unreadable.append($0) }
            for words in unreadable { ledger.violate("a letter to trees: \(words)", at: now) }
            post(.loop(read.map { .told($0) }), to: .loop(part), of: number)
        }
    }

    private mutating func deliver(_ letters: [LetterToGateway], to part: Int, of number: Int) {
        var unreadable: [String] = []
        let read = NodeMail.read(letters, options: Self.signalling) { unreadable.append($0) }
        for words in unreadable { ledger.violate("a letter to a gateway: \(words)", at: now) }
        guard part < options.loops else { return ledger.violate("no gateway \(part)", at: now) }
        post(.loop(read.map { .told($0) }), to: .loop(part), of: number)
    }

    private mutating func hear(_ notice: ClusterNotice, of number: Int) {
        ledger.note("node\(number): \(notice)", at: now)
        // What was on its way to the links when a session ended comes first in the next one, and is left out.
        if case .unreadable(let name, let words) = notice, !words.contains("which life of the node") {
            ledger.violate("node\(number) cannot read what \(name) says: \(words)", at: now)
        }
    }

    // MARK: The ownership

    private mutating func handle(_ input: SlotOwnership.Input, at address: Address) {
        guard nodes[address.node].process?.hasLeft == false else { return }
        nodes[address.node].process?.ownership.handle(input, at: now)
        var news: [SlotOwnership.Output] = []
        while let output = nodes[address.node].process?.ownership.nextOutput() {
            switch output {
            case .ask(let call, let request): ask(request, call, from: address)
            case .watch(let number, let watch): begin(watch, number, of: address)
            default: news.append(output)
            }
        }
        if !news.isEmpty { post(.cluster(.ownership(news)), to: .cluster, of: address.node) }
        setTimer(nodes[address.node].process?.ownership.deadline(at: now), address)
    }

    /// A node is told to stop: it gives its slots away, then lets its sockets go, then ends.
    mutating func leave(_ number: Int) {
        guard let process = nodes[number].process, process.leavesSince == nil else { return }
        ledger.note("\(process.id) is told to stop", at: now)
        nodes[number].process?.leavesSince = now
        post(.cluster(.leaving), to: .cluster, of: number)
        post(.ownership(.leaving), to: .ownership, of: number)
        let address = Address(node: number, life: nodes[number].life, executor: .ownership)
        plan(.hasLeft(address), in: .milliseconds(50))
    }

    mutating func checkLeaving(_ address: Address) {
        guard isThere(address), let process = nodes[address.node].process, let since = process.leavesSince else {
            return
        }
        if process.hasLeft {
            kill(address.node)
            return plan(.start(node: address.node), in: delay(100...3_000))
        }
        let isLate = since + .seconds(10) <= now
        guard nodes[address.node].stoppedUntil <= now, process.ownership.held.isEmpty || isLate else {
            return plan(.hasLeft(address), in: .milliseconds(50))
        }
        nodes[address.node].process?.hasLeft = true
        if !isLate, let lease = process.ownership.leaseNumber { ask(.revokeLease(lease), .max, from: address) }
        for part in 0..<options.loops { post(.loop([.goingAway]), to: .loop(part), of: address.node) }
        plan(.hasLeft(address), in: .milliseconds(1_500))
    }

    // MARK: The loops

    private mutating func handle(_ inputs: [SignallingService.Input], _ part: Int, at address: Address) {
        var mail: [NodeSession: [NodeMessage]] = [:]
        for input in inputs {
            nodes[address.node].process?.loops[part].handle(input, at: now)
            while let output = nodes[address.node].process?.loops[part].nextOutput() {
                switch output {
                case .tell(let message, let other): post(.loop([.told(message)]), to: .loop(other), of: address.node)
                case .send(let message, let session): mail[session, default: []].append(message)
                case .emit, .probe, .disconnect: carryOut(output, of: address)
                case .snapshot(let slot, let term, let snapshot):
                    let frozen = snapshot.map { FrozenSlot($0) }
                    let given = ClusterNode.Input.frozen(FencingToken(slot: slot, term: term), frozen)
                    post(.cluster(given), to: .cluster, of: address.node)
                case .answer: break
                }
            }
        }
        for (session, messages) in mail.sorted(by: { $0.key < $1.key }) { send(messages, to: session, from: address) }
        setTimer(nodes[address.node].process?.loops[part].deadline, address)
    }

    private mutating func send(_ messages: [NodeMessage], to session: NodeSession, from address: Address) {
        guard let id = nodes[address.node].process?.id else { return }
        for message in messages {
            if case .toGateway(_, _, let fence) = message { ledger.acts(id, fence, at: now) }
        }
        for frame in NodeMail.frames(messages) {
            post(.cluster(.send(frame, to: session)), to: .cluster, of: address.node)
        }
    }
}

extension SignallingSecurity {
    /// Codes that nobody here forges.
    static let world = SignallingSecurity(
        isStateKept: true,
        code: { message, purpose in
            var random = SeededGenerator(seed: UInt64(purpose.utf8.count))
            for byte in message { random = SeededGenerator(seed: random.next() ^ UInt64(byte)) }
            return random.bytes(32)
        },
        isSignature: { _, _, _ in true },
        turnPassword: { _, _ in "" },
        access: { _ in Access() }
    )
}
