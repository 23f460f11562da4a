import PeerTreeCore

/// The signalling server as far as placement goes: the real tracker, and between it and the clients the rules of the
/// signalling service, without sockets, JSON and limits per address.
///
/// A peer's id is the number of its client, whatever socket that has. ``nextEvent()`` is to be drained after every call.
struct SimulatedServer {
    /// What is kept about a client that is in the tree.
    struct Member {
        let peer: PeerHandle
        var isNative = true
        var isConnected = true
        /// What it said of its links when it came back to a server that did not know it, until that is settled.
        var claim: [Claim]?
    }

    /// A link that a client speaks of.
    struct Claim {
        let role: NeighbourRole
        let client: Int
        let stripe: Int
        let epoch: UInt32
    }

    /// The key of the source, if it signs.
    let key: SourceKey?
    /// The id of the one tree.
    var treeID: Text { key?.treeID ?? "T" }

    /// What its clock shows at the beginning of the simulation, in microseconds since 1970-01-01 UTC.
    private static let timeAtZero: UInt64 = 1_700_000_000_000_000

    var tracker: Tracker
    var tree: TreeHandle?
    private(set) var run = 1
    var members: [Member?] = []
    /// Only looked up, never walked: its order is not the same in two runs.
    private var clientOfPeer: [PeerHandle: Int] = [:]
    /// Who waits for a parent that has not come back yet, in the order in which they came.
    var awaiting: [(child: Int, parent: Int)] = []
    private var outbox: [(to: Int, event: ServerEvent)] = []
    private var outboxHead = 0
    /// Peers that were given a place and not looked at since.
    private var placed: [PeerHandle] = []
    private var probed: [Int] = []
    private let options: TrackerOptions

    init(options: TrackerOptions, key: SourceKey?) {
        self.options = options
        self.key = key
        tracker = Tracker(options: options)
    }

    /// Makes the server one that was started again and remembers nothing.
    mutating func restart() {
        self = SimulatedServer(options: options, key: key, run: run + 1, clients: members.count)
    }

    private init(options: TrackerOptions, key: SourceKey?, run: Int, clients: Int) {
        self.init(options: options, key: key)
        self.run = run
        members = Array(repeating: nil, count: clients)
    }

    mutating func addClient() {
        members.append(nil)
    }

    mutating func nextEvent() -> (to: Int, event: ServerEvent)? {
        guard outboxHead < outbox.count else {
            outbox.removeAll(keepingCapacity: true)
            outboxHead = 0
            return nil
        }
        defer { outboxHead += 1 }
        return outbox[outboxHead]
    }

    /// Whose sockets are to be asked whether anybody is there.
    mutating func takeProbed() -> [Int] {
        defer { probed.removeAll(keepingCapacity: true) }
        return probed
    }

    /// Who was given a place since the last call.
    mutating func takePlaced() -> [PeerHandle] {
        defer { placed.removeAll(keepingCapacity: true) }
        return placed
    }

    func handle(of client: Int) -> PeerHandle? { members[client]?.peer }

    func client(of peer: PeerHandle) -> Int? { clientOfPeer[peer] }

    // MARK: Input

    mutating func advance(to now: Instant) {
        track(.deadlineReached, at: now)
    }

    /// A client's socket is gone.
    mutating func disconnected(_ client: Int, at now: Instant) {
        guard let member = members[client], member.isConnected else { return }
        members[client]?.isConnected = false
        track(.signallingLost(member.peer), at: now)
    }

    mutating func receive(_ event: ClientEvent, from client: Int, at now: Instant) {
        if case .discover(let request) = event { return discover(request, from: client, at: now) }
        guard let peer = members[client]?.peer else { return }
        switch event {
        case .attached(let stripe, let epoch):
            track(.attached(peer, stripe: Int(stripe), epoch: epoch), at: now)
        case .orphaned(let stripe, let epoch, let reason):
            track(.orphaned(peer, stripe: Int(stripe), epoch: epoch, reason: reason), at: now)
        case .promoted(let stripe, let epoch, let reason, let standby):
            let standby = self.client(named: standby).flatMap { members[$0]?.peer } ?? peer
            track(.promoted(peer, stripe: Int(stripe), epoch: epoch, reason: reason, standby: standby), at: now)
        case .childLost(let child, let reason): childLost(child, reason, by: peer, at: now)
        case .leave: track(.leave(peer), at: now)
        case .offer(let session, let id, let sdp):
            guard let target = reachable(id), mayOffer(peer, to: target) else { return }
            let isNative = members[client]?.isNative ?? true
            say(.offer(session: session, from: Text(client: client), sdp: sdp, isNative: isNative), to: target)
        case .signal(let session, let id, let signal, let isNative):
            guard let target = reachable(id) else { return }
            say(.signal(session: session, signal, isNative: isNative), to: target)
            if case .answer = signal { originalAttached(target, to: peer, at: now) }
        case .reject(let session, let id, _):
            guard let target = reachable(id) else { return }
            say(.reject(session: session), to: target)
        case .status(let report):
            guard let depth = try? tracker.depth(of: peer), depth != report.depth else { return }
            say(.place(depth: UInt32(depth)), to: client)
        case .discover, .iceServers, .pulse: break
        }
    }

    private mutating func childLost(_ id: Text, _ reason: LossReason, by peer: PeerHandle, at now: Instant) {
        guard let child = client(named: id).flatMap({ members[$0]?.peer }), child.tree == peer.tree else { return }
        let isNative = members[self.client(of: child) ?? 0]?.isNative ?? true
        for stripe in 0..<(isNative ? stripes : 1) {
            let isParent = (try? tracker.parent(of: child, stripe: stripe)) == peer
            guard isParent || (try? tracker.previousParent(of: child, stripe: stripe)) == peer else { continue }
            track(.childLost(peer, child: child, stripe: stripe, reason: reason), at: now)
        }
    }

    /// An original client does not say when its link is open: that its parent answered has to do.
    private mutating func originalAttached(_ client: Int, to parent: PeerHandle, at now: Instant) {
        guard let member = members[client], !member.isNative,
            let assignment = try? tracker.assignment(of: member.peer), assignment.parent == parent
        else { return }
        track(.attached(member.peer, stripe: 0, epoch: assignment.epoch), at: now)
    }

    private func client(named id: Text) -> Int? {
        id.number.flatMap { members.indices.contains($0) ? $0 : nil }
    }

    private func reachable(_ id: Text) -> Int? {
        client(named: id).flatMap { members[$0]?.isConnected == true ? $0 : nil }
    }

    private func mayOffer(_ peer: PeerHandle, to target: Int) -> Bool {
        guard let other = members[target]?.peer else { return false }
        return (0..<stripes).contains { stripe in
            (try? tracker.parent(of: peer, stripe: stripe)) == other
                || (try? tracker.previousParent(of: peer, stripe: stripe)) == other
        } || (try? tracker.standby(of: peer)) == other
    }

    // MARK: Discovery

    private mutating func discover(_ request: DiscoverRequest, from client: Int, at now: Instant) {
        do throws(TrackerError) {
            guard try enter(request, client, at: now) else {
                refuse(request.resumeToken == nil ? "not-allowed" : "unknown-resume", to: client)
                return
            }
            drainTracker()
            reply(to: client, at: now)
        } catch {
            drainTracker()
            switch error {
            case .treeFull, .tooManyPeers: refuse("tree-full", to: client)
            case .unknownTree: refuse("unknown-tree", to: client)
            default: refuse("not-allowed", to: client)
            }
        }
    }

    private mutating func refuse(_ code: Text, to client: Int) {
        say(.discoveryFailed(code: code, message: code), to: client)
    }

    /// - Returns: whether the client is in the tree now.
    private mutating func enter(
        _ request: DiscoverRequest,
        _ client: Int,
        at now: Instant
    ) throws(TrackerError) -> Bool {
        if let text = request.resumeToken {
            guard let token = SimulatedToken(text), token.client == client else { return false }
            return try resume(token, request.place, client, at: now)
        }
        let capacity = request.capacity.map { Int($0) }
        guard request.treeID != nil else {
            guard tree == nil else { return false }
            let source = try tracker.createTree(
                isNative: true,
                capacity: capacity,
                stripes: Int(request.stripes ?? 1),
                parity: Int(request.parity),
                at: now
            )
            tree = source.tree
            register(source, client)
            return true
        }
        if let peer = members[client]?.peer {
            try tracker.rejoin(peer, at: now)
            return true
        }
        guard let tree else { throw .unknownTree }
        let peer = try tracker.join(tree, isNative: request.isNative, capacity: capacity, at: now)
        register(peer, client)
        members[client]?.isNative = request.isNative
        return true
    }

    private mutating func resume(
        _ token: SimulatedToken,
        _ place: [DiscoverRequest.NamedPlace],
        _ client: Int,
        at now: Instant
    ) throws(TrackerError) -> Bool {
        if let member = members[client] {
            members[client]?.isConnected = true
            track(.signallingResumed(member.peer), at: now)
            return true
        }
        guard token.run != run else { return false }
        let claims = place.compactMap { link in
            self.client(named: link.id).map {
                Claim(role: link.role, client: $0, stripe: Int(link.stripe), epoch: link.epoch)
            }
        }
        return try restore(token, claims, client, at: now)
    }

    mutating func register(_ peer: PeerHandle, _ client: Int, claim: [Claim]? = nil) {
        members[client] = Member(peer: peer, claim: claim)
        clientOfPeer[peer] = client
    }

    private mutating func replyToOriginal(_ client: Int, _ peer: PeerHandle) {
        placed.append(peer)
        guard let parent = (try? tracker.parent(of: peer)) ?? nil, let named = self.client(of: parent) else {
            return refuse("tree-full", to: client)
        }
        let own = Text(client: client)
        say(.discovered(.init(id: own, treeID: treeID, peers: [Text(client: named)], additions: nil)), to: client)
    }

    private mutating func reply(to client: Int, at now: Instant) {
        if let member = members[client], !member.isNative { return replyToOriginal(client, member.peer) }
        guard let peer = members[client]?.peer, let token = makeToken(for: client, peer) else { return }
        placed.append(peer)
        let parents = (0..<stripes).compactMap { stripe -> ParentAssignment? in
            guard let assignment = try? tracker.assignment(of: peer, stripe: stripe) else { return nil }
            return named(assignment)
        }
        var additions = ServerEvent.Discovery.Additions(
            resumeToken: token.text,
            stripes: UInt8(stripes),
            capacity: try? tracker.wholeCapacity(of: peer),
            parents: parents.filter { $0.parent != nil },
            iceServers: nil,
            clock: Self.timeAtZero + now.nanoseconds / 1_000
        )
        additions.parity = UInt8(layout.parity)
        additions.key = key
        let own = Text(client: client)
        say(.discovered(.init(id: own, treeID: treeID, peers: [], additions: additions)), to: client)
    }

    /// An assignment in the words of signalling.
    private func named(_ assignment: Assignment) -> ParentAssignment {
        func name(_ peer: PeerHandle?) -> Text? { peer.flatMap { clientOfPeer[$0] }.map { Text(client: $0) } }
        return ParentAssignment(
            parent: name(assignment.parent),
            stripe: UInt8(assignment.stripe),
            epoch: assignment.epoch,
            depth: UInt32(clamping: assignment.depth)
        )
    }

    private func makeToken(for client: Int, _ peer: PeerHandle) -> SimulatedToken? {
        guard let source = try? tracker.source(of: peer.tree) else { return nil }
        let interior = peer.isSource ? nil : (try? tracker.interiorStripe(of: peer)) ?? nil
        return SimulatedToken(
            run: run,
            client: client,
            isSource: peer.isSource,
            capacity: interior.flatMap { try? tracker.capacity(of: peer, stripe: $0) } ?? 0,
            interior: interior,
            sourceCapacity: (try? tracker.wholeCapacity(of: source)) ?? 1,
            layout: layout
        )
    }

    var layout: StripeLayout { tree.flatMap { try? tracker.layout(of: $0) } ?? .single }

    var stripes: Int { layout.stripes }

    // MARK: Output

    /// Reports to the tracker. What it refuses changed nothing; the real service answers with an error that no client
    /// acts on.
    mutating func track(_ input: Tracker.Input, at now: Instant) {
        try? tracker.handle(input, at: now)
        drainTracker()
    }

    mutating func drainTracker() {
        while let output = tracker.nextOutput() { say(output) }
    }

    private mutating func say(_ output: TrackerOutput) {
        switch output {
        case .assign(let peer, let assignment, _):
            placed.append(peer)
            say(.assign(named(assignment)), to: peer)
        case .admit(let parent, let child, let stripe):
            guard let child = clientOfPeer[child] else { return }
            say(.admit(Text(client: child), stripe: UInt8(stripe)), to: parent)
        case .childGone(let parent, let child, let stripe):
            guard let child = clientOfPeer[child] else { return }
            say(.childGone(Text(client: child), stripe: UInt8(stripe)), to: parent)
        case .admitWard(let standby, let ward):
            guard let ward = clientOfPeer[ward] else { return }
            say(.admitWard(Text(client: ward)), to: standby)
        case .wardGone(let standby, let ward):
            guard let ward = clientOfPeer[ward] else { return }
            say(.wardGone(Text(client: ward)), to: standby)
        case .standby(let peer, let standby):
            say(.standby(standby.flatMap { clientOfPeer[$0] }.map { Text(client: $0) }), to: peer)
        case .suspect(let peer, let neighbour):
            guard let neighbour = clientOfPeer[neighbour] else { return }
            say(.suspect(Text(client: neighbour)), to: peer)
        case .capacityChanged(let peer):
            guard let client = clientOfPeer[peer], let token = makeToken(for: client, peer) else { return }
            say(.resume(token.text, capacity: try? tracker.wholeCapacity(of: peer)), to: client)
        case .probe(let peer):
            if let client = clientOfPeer[peer] { probed.append(client) }
        case .removed(let peer, let reason):
            removed(peer, reason)
        case .restored(let peer):
            guard let client = clientOfPeer[peer] else { return }
            forgetClaim(of: client)
        case .sourceMissed:
            // A source that is away for so long is gone here.
            break
        case .treeEnded:
            tree = nil
        }
    }

    private mutating func removed(_ peer: PeerHandle, _ reason: RemovalReason) {
        guard let client = clientOfPeer.removeValue(forKey: peer) else { return }
        forgetClaim(of: client)
        // It may have been given a new membership by the time its old one is reported.
        if members[client]?.peer == peer { members[client] = nil }
        switch reason {
        case .attachTimeout: say(.refused(code: "attach-timeout", message: .empty), to: client)
        case .treeEnded: say(.end, to: client)
        case .left, .vanished: break
        }
    }

    private mutating func say(_ event: ServerEvent, to peer: PeerHandle) {
        if let client = clientOfPeer[peer] { say(event, to: client) }
    }

    private mutating func say(_ event: ServerEvent, to client: Int) {
        outbox.append((client, event))
    }
}
