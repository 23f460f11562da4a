import JSON
import NodeLinks
import PeerTreeCore
import PeerTreeSignalling
import TestSupport

import struct NodeLinks.LinkID

@testable import PeerTreeCluster

/// Whole nodes of a cluster in virtual time: each with its ownership, its part of the cluster, and its loops with gateways and
/// services of trees; an etcd; links between nodes; and clients that want to be in their trees and come back by any node. All of
/// it follows from the seed.
struct NodeWorld {
    /// Where a message goes.
    struct Address {
        let node: Int
        let life: Int
        let executor: Executor
    }

    enum Message {
        case cluster(ClusterNode.Input)
        case ownership(SlotOwnership.Input)
        case loop([SignallingService.Input])
    }

    enum Event {
        /// A message is handled.
        case handle(Address, Message)
        /// A message comes from outside, and waits for its turn.
        case arrive(Address, Message)
        case wake(Address)
        case request(Address, call: Int, EtcdRequest)
        case start(node: Int)
        case goOn(node: Int)
        case hasLeft(Address)
        case frame(Address, from: Int, LinkID, [UInt8])
        case links
        case told(client: Int, socket: String, event: String, JSONValue)
        case client(Int)
        case trouble
    }

    let options: WorldOptions
    var now = Instant(nanoseconds: 1_000_000_000)
    /// Until then anything may go wrong; afterwards nothing does.
    let troubleEnds: Instant
    var random: SeededGenerator
    var nodes: [WorldNode]
    var etcd: WorldEtcd
    /// Pairs of nodes between which nothing goes, and until when.
    var cuts: [[Int]: Instant] = [:]
    var clients: [WorldClient] = []
    /// The trees of the audiences, as their sources have told everybody.
    var trees: [String?]
    /// Whose a socket is, or was.
    var sockets: [String: Int] = [:]
    var ledger = CommandLedger()
    private var agenda = Agenda<Event>()

    init(seed: UInt64, _ options: WorldOptions) {
        self.options = options
        random = SeededGenerator(seed: seed)
        troubleEnds = now + options.trouble
        etcd = WorldEtcd(EtcdModel(firstLease: Int64.random(in: 1...1 << 40, using: &random)))
        nodes = (0..<options.nodes).compactMap { NodeName("node\($0)").map { WorldNode(name: $0) } }
        trees = Array(repeating: nil, count: options.audiences)
        for number in nodes.indices { plan(.start(node: number), in: delay(0...1_500)) }
        for audience in trees.indices {
            for viewer in 0...options.viewers { addClient(audience, isSource: viewer == 0) }
        }
        plan(.links, in: .milliseconds(50))
        plan(.trouble, in: .milliseconds(3_000))
    }

    // MARK: Chance

    var isTroubled: Bool { now < troubleEnds }

    mutating func delay(_ milliseconds: ClosedRange<UInt64>) -> TimeSpan {
        TimeSpan(
            nanoseconds: UInt64.random(
                in: milliseconds.lowerBound * 1_000...milliseconds.upperBound * 1_000,
                using: &random
            ) * 1_000
        )
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    // MARK: Time

    mutating func plan(_ event: Event, in span: TimeSpan) { agenda.plan(event, at: now + span) }

    mutating func plan(_ event: Event, at instant: Instant) { agenda.plan(event, at: instant) }

    /// Lets time pass.
    mutating func run(until end: Instant) {
        while let (at, event) = agenda.next(until: end) {
            now = max(now, at)
            happen(event)
        }
        now = end
    }

    private mutating func happen(_ event: Event) {
        switch event {
        case .handle(let address, let message): handle(message, at: address)
        case .arrive(let address, let message): post(message, to: address)
        case .wake(let address): wake(address)
        case .request(let address, let call, let request): arrive(request, call, from: address)
        case .start(let node): start(node)
        case .goOn(let node): goOn(node)
        case .hasLeft(let address): checkLeaving(address)
        case .frame(let address, let other, let session, let bytes): take(bytes, of: session, from: other, at: address)
        case .links: updateLinks()
        case .told(let client, let socket, let event, let payload): tell(client, on: socket, event, payload)
        case .client(let number): act(number)
        case .trouble: makeTrouble()
        }
    }
}

/// How large a world is, and what may go wrong in it.
struct WorldOptions {
    var nodes = 3
    var loops = 1
    var slots = Array(Slot.inOrder.prefix(6))
    var audiences = 1
    /// Of each audience, besides its source.
    var viewers = 8
    var trouble = TimeSpan.seconds(15)
    var troubles: Set<Trouble> = [.crash]

    /// Servers go on, and hear each other late at worst.
    var isGentle: Bool { troubles.isSubset(of: [.cut, .lag, .clients]) }
}
