import PeerTreeCore
import TestSupport

/// Carries a script out against real peers and a real tracker, and holds its two promises: nothing grows past its bound
/// (nor traps) while the liars are there, and 5 s after they have left or were detached every honest peer gets every
/// message again.
package final class AdversaryRun {
    private let script: AdversaryScript
    private let simulation: Simulation
    /// The client that plays each member; nil until it joins, and anew after it has left.
    private var members: [Int?] = Array(repeating: nil, count: AdversaryScript.maximumMembers)
    /// Every client that was ever a liar.
    private var liars: [Int] = []
    /// Frames sent.
    package private(set) var frames = 0

    /// How long after the liars are gone everyone must be whole.
    static let recovery = TimeSpan.seconds(5)
    /// How long a peer's place is kept while its signalling is gone: short, so that a liar that vanishes is gone soon.
    private static let resumeWindow = TimeSpan.seconds(2)
    /// More virtual time than this a script does not get.
    private static let longestAttack = TimeSpan.seconds(8)

    package init(_ script: AdversaryScript, command: String = "") {
        self.script = script
        var options = SimulationOptions(k: script.k, k1: script.k1, policy: script.policy, stripes: script.stripes)
        options.parity = script.stripes > 1
        options.tracker.resumeWindow = Self.resumeWindow
        options.isSigned = script.isSigned
        options.command = command
        simulation = Simulation(seed: script.seed, options)
        simulation.conditions.delay = .milliseconds(1) ... .milliseconds(15)
    }

    /// Runs it.
    ///
    /// - Throws: ``SimulationFailure`` when a promise is broken.
    package func run() throws {
        simulation.isStrict = false
        simulation.publish(PublishingRhythm(every: .milliseconds(50), bytes: 20...400, joinPointEvery: 10))
        if script.isEarly {
            try simulation.run(for: .milliseconds(100))
            join(0, capacity: 4)
        }
        simulation.join(script.viewers, over: .milliseconds(300))
        try simulation.run(for: .milliseconds(900))
        let end = simulation.now + Self.longestAttack
        for step in script.steps where simulation.now < end { try perform(step) }
        try partWithLiars()
        try simulation.run(for: Self.recovery)
        try requireRecovery()
    }

    // MARK: Steps

    private func perform(_ step: AdversaryStep) throws {
        switch step {
        case .wait(let span): try simulation.run(for: .milliseconds(UInt64(clamping: min(span, 5_000))))
        case .join(let member, let capacity): join(member, capacity: capacity)
        case .leave(let member):
            if let client = members[member] { simulation.detach(client) }
            members[member] = nil
        case .vanish(let member):
            if let client = members[member] { simulation.kill(client) }
            members[member] = nil
        case .blip(let member, let span):
            if let client = members[member] { simulation.blip(client, for: .milliseconds(UInt64(clamping: span))) }
        case .accept(let member, let isOn): puppet(member) { $0.accepts = isOn }
        case .hold(let member, let types): puppet(member) { $0.held = types }
        case .forge(let member, let isOn): puppet(member) { $0.isForging = isOn }
        case .offer(let member, let opens):
            guard let client = members[member], let parent = simulation.trackedParent(of: client) else { return }
            simulation.offer(by: client, to: parent, opens: opens)
        case .complain(let member, let reason):
            if let client = members[member] { simulation.complain(client, LossReason(rawValue: reason) ?? .silent) }
        case .denounce(let member, let other):
            if let client = members[member] { simulation.tell(.childLost(Text(client: other), .closed), by: client) }
        case .send(let member, let target, let which, let times, let frame):
            if let client = members[member] { try send(frame, by: client, to: target, which, times: times) }
        }
    }

    private func join(_ member: Int, capacity: Int) {
        if let client = members[member] {
            simulation.discoverAgain(client, capacity: capacity)
            return
        }
        let client = simulation.join(capacity: capacity)
        simulation.clients[client].puppet = Puppet()
        members[member] = client
        liars.append(client)
    }

    private func puppet(_ member: Int, _ change: (inout Puppet) -> Void) {
        guard let client = members[member], var puppet = simulation.clients[client].puppet else { return }
        change(&puppet)
        simulation.clients[client].puppet = puppet
    }

    private func send(
        _ frame: HostileFrame,
        by client: Int,
        to target: AdversaryStep.Target,
        _ which: Int,
        times: Int
    ) throws {
        let ends = simulation.openEnds(of: client).filter { end in
            switch target {
            case .parent: end.side == 0
            case .child: end.side == 1
            case .anyone: true
            }
        }
        guard !ends.isEmpty else { return }
        let end = ends[which % ends.count]
        let victim = simulation.links[end.link].sides[1 - end.side].client
        for number in 0..<times {
            guard let position = simulation.clients[victim].peer?.position else { break }
            simulation.transmit(frame.encoded(for: position, shiftedBy: UInt64(number)), isText: false, from: end)
            frames += 1
        }
        try simulation.run(for: .milliseconds(1))
    }

    // MARK: Afterwards

    /// The liars leave, or are detached; those that vanished are gone once the tracker says so.
    private func partWithLiars() throws {
        for case let client? in members { simulation.detach(client) }
        let isGone = try simulation.run(within: .seconds(20)) { simulation in
            self.liars.allSatisfy { simulation.server.handle(of: $0) == nil && !simulation.clients[$0].isAlive }
        }
        if !isGone { throw simulation.failure("the tracker does not part with liars that are gone") }
    }

    /// From now on everyone gets every message, in order and as it was written.
    private func requireRecovery() throws {
        for client in simulation.viewers { simulation.clients[client].record.forget() }
        simulation.isStrict = true
        let first = simulation.log.entries.count
        try simulation.run(for: .milliseconds(600))
        let last = simulation.log.entries.count
        if last == first { throw simulation.failure("the source waits for somebody who is gone") }
        try simulation.run(for: .milliseconds(400))
        for client in simulation.viewers {
            let viewer = simulation.clients[client]
            if let end = viewer.end {
                throw simulation.failure("client \(client) believes that the stream ended: \(end)")
            }
            // A tree of several stripes can run out of slots in one of them: who is interior where is settled at the join.
            // Who waits for one has nothing of that stripe to give to those below it either.
            if script.stripes > 1, simulation.isCutOff(client) { continue }
            if viewer.peer?.isFed != true { throw simulation.failure("client \(client) has no parent") }
            let missing = (first..<last).filter { !viewer.record.has(simulation.log.entries[$0].sequence) }
            guard missing.isEmpty else {
                let frontier = viewer.peer?.position.frontier.map(String.init) ?? "-"
                let stands = "\(frontier) of \(simulation.log.nextSequence)"
                throw simulation.failure(
                    "client \(client) lacks \(missing.count) of \(last - first) messages and stands at \(stands)"
                )
            }
        }
    }

    /// What happened, as a set of small numbers: a script that adds to what was seen before is worth keeping.
    package func features() -> Set<UInt32> {
        var features = Set<UInt32>()
        func note(_ kind: UInt32, _ value: UInt64) {
            features.insert(kind << 8 | UInt32(64 - value.leadingZeroBitCount))
        }
        for client in simulation.clients where client.puppet == nil {
            guard let peer = client.peer else { continue }
            let counters = peer.counters
            let occupancy = peer.occupancy
            let values: [UInt64] = [
                counters.duplicates, counters.malformedFrames, counters.unexpectedFrames, counters.repairRequests,
                counters.chunksLost, counters.discardedChunks, counters.parentsLost, counters.slowChildren,
                counters.skips, counters.forgeries, UInt64(client.record.gaps.count), UInt64(occupancy.rangesOfOneLink),
                UInt64(occupancy.fetches), UInt64(occupancy.bufferedOfOneLink),
                UInt64(occupancy.retainedBytes), UInt64(occupancy.messageBytes),
            ]
            for (kind, value) in values.enumerated() { note(UInt32(kind), value) }
            for reason in client.orphanings { note(32, UInt64(1) << UInt64(reason.rawValue)) }
            for reason in client.lostChildren { note(33, UInt64(1) << UInt64(reason.rawValue)) }
        }
        let tracked = simulation.server.tracker.statistics
        let values = [
            tracked.leaves, tracked.vanishes, tracked.attachTimeouts, tracked.orphanReports, tracked.moves,
            tracked.promotions, tracked.evictions, tracked.staleReports, tracked.rejoins, tracked.movesReverted,
        ]
        for (kind, value) in values.enumerated() { note(UInt32(64 + kind), value) }
        return features
    }
}

extension Simulation {
    /// Where a client hangs in the first stripe; nil if it waits or is not in the tree.
    func trackedParent(of client: Int) -> Int? {
        guard let handle = server.handle(of: client) else { return nil }
        return ((try? server.tracker.parent(of: handle)) ?? nil).flatMap { server.client(of: $0) }
    }

    /// Whether the tracker has no slot, in some stripe, for a client or for somebody above it.
    func isCutOff(_ client: Int) -> Bool {
        guard let handle = server.handle(of: client), let source = try? server.tracker.source(of: handle.tree) else {
            return false
        }
        return (0..<options.stripes).contains { stripe in
            var current = handle
            while current != source {
                guard let parent = (try? server.tracker.parent(of: current, stripe: stripe)) ?? nil else { return true }
                current = parent
            }
            return false
        }
    }

    /// The client's ends of its open links, in the order in which they came.
    func openEnds(of client: Int) -> [LinkEnd] {
        links.indices.flatMap { index in
            links[index].sides.indices.map { LinkEnd(link: index, side: $0) }
        }
        .filter { links[$0.link].isOpen && links[$0.link].sides[$0.side].client == client }
    }

    /// Offers a connection that the client's own machine knows nothing of.
    func offer(by client: Int, to parent: Int, opens: Bool) {
        links.append(SimulatedLink(client, nil))
        links[links.count - 1].opens = opens
        let link = Text(client: links.count - 1)
        tell(.offer(session: Text(Text("rogue ").bytes + link.bytes), to: Text(client: parent), sdp: link), by: client)
    }

    /// Asks for another place.
    func discoverAgain(_ client: Int, capacity: Int) {
        let request = DiscoverRequest(treeID: server.treeID, capacity: UInt16(clamping: capacity))
        tell(.discover(request), by: client)
    }

    /// What a liar makes of what the server says, beside what its own machine does.
    func hear(_ event: ServerEvent, as client: Int) {
        switch event {
        case .signal(_, .answer(let sdp), _):
            // Answers name the link, as offers do.
            guard let link = sdp.number, links.indices.contains(link), links[link].sides[0].client == client,
                links[link].sides[0].id == nil
            else { return }
            takeAnswer(LinkEnd(link: link, side: 0))
        case .discovered(let answer):
            // What it asked for behind its own machine's back.
            for assignment in answer.additions?.parents ?? [] { input(.server(.assign(assignment)), to: client) }
        default: break
        }
    }

    /// Complains about the parent that a client has now.
    func complain(_ client: Int, _ reason: LossReason) {
        guard let handle = server.handle(of: client), let place = try? server.tracker.assignment(of: handle) else {
            return
        }
        tell(.orphaned(stripe: UInt8(place.stripe), epoch: place.epoch, reason), by: client)
    }
}
