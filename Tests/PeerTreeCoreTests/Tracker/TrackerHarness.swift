import PeerTreeCore
import Testing

/// A tracker, a clock, and the outputs so far: what unit tests talk to.
struct TrackerHarness {
    var tracker: Tracker
    var now = Instant.zero
    var outputs: [TrackerOutput] = []
    let source: PeerHandle
    /// Peers that were given a parent and have not attached to it since, in the order in which they were told: a set's
    /// own order would make each run another.
    private var told: [PeerHandle] = []
    private var isTold: Set<PeerHandle> = []

    init(
        k: Int = 4,
        k1: Int = 10,
        stripes: Int = 1,
        parity: Int = 0,
        _ configure: (inout TrackerOptions) -> Void = { _ in }
    ) throws {
        var options = TrackerOptions()
        options.childrenPerPeer = k
        options.childrenOfSource = k1
        configure(&options)
        tracker = Tracker(options: options)
        source = try tracker.createTree(isNative: true, stripes: stripes, parity: parity, at: now)
    }

    var tree: TreeHandle { source.tree }

    /// Feeds one input, collects the outputs it caused and returns them.
    @discardableResult
    mutating func handle(_ input: Tracker.Input) throws -> [TrackerOutput] {
        try tracker.handle(input, at: now)
        return drain()
    }

    @discardableResult
    mutating func drain() -> [TrackerOutput] {
        var new: [TrackerOutput] = []
        while let output = tracker.nextOutput() {
            new.append(output)
            if case .assign(let peer, _, _) = output, isTold.insert(peer).inserted { told.append(peer) }
        }
        outputs += new
        return new
    }

    /// Lets time pass.
    @discardableResult
    mutating func wait(_ span: TimeSpan) throws -> [TrackerOutput] {
        now = now + span
        return try handle(.deadlineReached)
    }

    /// Joins without attaching.
    mutating func joinOnly(capacity: Int? = nil, isNative: Bool = true, origin: UInt64? = nil) throws -> PeerHandle {
        let peer = try tracker.join(tree, isNative: isNative, capacity: capacity, origin: origin, at: now)
        drain()
        return peer
    }

    /// Joins and attaches in every stripe.
    mutating func join(capacity: Int? = nil, isNative: Bool = true, origin: UInt64? = nil) throws -> PeerHandle {
        let peer = try joinOnly(capacity: capacity, isNative: isNative, origin: origin)
        try attach(peer)
        return peer
    }

    mutating func join(count: Int, capacity: Int? = nil) throws -> [PeerHandle] {
        var peers: [PeerHandle] = []
        for _ in 0..<count { peers.append(try join(capacity: capacity)) }
        return peers
    }

    /// Reports the current assignment of `peer` as attached in every stripe.
    mutating func attach(_ peer: PeerHandle) throws {
        for stripe in 0..<(try tracker.stripeCount(of: tree)) {
            let epoch = try tracker.assignment(of: peer, stripe: stripe).epoch
            try handle(.attached(peer, stripe: stripe, epoch: epoch))
        }
    }

    /// Attaches whoever was told to move, until nobody is.
    mutating func attachAll() throws {
        var next = told.startIndex
        while next < told.endIndex {
            let peer = told[next]
            next += 1
            isTold.remove(peer)
            if tracker.contains(peer), try parent(peer) != nil { try attach(peer) }
        }
        told.removeAll()
    }

    @discardableResult
    mutating func orphan(_ peer: PeerHandle, _ reason: LossReason = .silent) throws -> [TrackerOutput] {
        let epoch = try tracker.assignment(of: peer).epoch
        return try handle(.orphaned(peer, stripe: 0, epoch: epoch, reason: reason))
    }

    func parent(_ peer: PeerHandle) throws -> PeerHandle? { try tracker.parent(of: peer) }
    func depth(_ peer: PeerHandle) throws -> Int { try tracker.depth(of: peer) }
    func children(_ peer: PeerHandle) throws -> Set<PeerHandle> { Set(try tracker.children(of: peer)) }
}

extension [TrackerOutput] {
    /// All but what concerns standbys.
    var ofPlaces: [TrackerOutput] {
        filter { output in
            switch output {
            case .admitWard, .wardGone, .standby: false
            default: true
            }
        }
    }

    /// The assignments among the outputs, in order.
    var assignments: [(peer: PeerHandle, assignment: Assignment, reason: AssignmentReason)] {
        compactMap { output in
            if case .assign(let peer, let assignment, let reason) = output { (peer, assignment, reason) } else { nil }
        }
    }

    func assignment(of peer: PeerHandle) -> Assignment? {
        assignments.last { $0.peer == peer }?.assignment
    }

    func reason(for peer: PeerHandle) -> AssignmentReason? {
        assignments.last { $0.peer == peer }?.reason
    }
}
