package import JSON
package import PeerTreeCore
import StateMachine

/// Introduces peers to each other: simple-signal 2.x and the events of peer-tree beside it, over any transport that
/// delivers Socket.IO events. A ``Gateway`` and a ``TreeService`` in one place, which hand each other their messages at
/// once. A server has one of these, or several on loops of their own, each with some of the sockets and those trees whose
/// ``Slot`` falls to it; what they say to each other is output of one and input of the other, and must keep its order.
///
/// A state machine without I/O. Feed what happens to ``handle(_:at:)``, then drain ``nextOutput()`` until it returns
/// nil; call ``handle(_:at:)`` with ``Input/deadlineReached`` when ``deadline`` has come.
package struct SignallingService: Sendable {
    /// What happens at the sockets.
    package enum Input: Sendable {
        /// A client joined the namespace under a new id, with a token if it has one. The number stands for the network
        /// address it came from, if that is known: what shares limits has the same.
        case connected(id: String, address: UInt64? = nil, token: String? = nil)
        /// A client emitted an event.
        case event(id: String, name: String, arguments: [JSONValue])
        /// A client's socket is gone.
        case disconnected(id: String)
        /// A dashboard asks. Nobody else has its number.
        case asked(watcher: Int, DashboardQuestion)
        /// Another part of the server speaks.
        case told(PartMessage)
        /// ``SignallingService/deadline`` has come.
        case deadlineReached
        /// Clients can come from now on. A server says it once it listens; until then, waiting counts from its start.
        case reachable
        /// The server is about to stop.
        case goingAway
    }

    /// Whether a server has all its trees.
    package enum Readiness: String, Sendable {
        case ready
        /// It was started with a key that was kept, and peers of an earlier run may be about to come back.
        case restoring
        case stopping
    }

    /// What to do at the sockets.
    package enum Output: Sendable {
        /// Emit `event` with the one argument `payload` to the client `id`.
        case emit(id: String, event: String, payload: JSONValue)
        /// Ask the client `id` whether it is there, and disconnect it unless it answers within a second.
        case probe(id: String)
        /// Disconnect the client `id`, which was told why.
        case disconnect(id: String)
        /// Tell a dashboard.
        indirect case answer(watcher: Int, DashboardAnswer)
        /// Tell the part of the server that has this number.
        case tell(PartMessage, part: Int)
    }

    /// The sockets.
    package private(set) var gateway: Gateway
    /// The trees.
    package private(set) var tree: TreeService
    private let part: SignallingPart
    private var outputs = OutputQueue<Output>(keptCapacity: 1_024)

    /// A service without clients.
    ///
    /// - Parameters:
    ///   - security: Keys, and what is done with them. With the state key of an earlier run, peers of that run get their
    ///     places back.
    ///   - term: Greater than that of every run of the server before, such as the time at which it was started.
    ///   - startedAt: When the server was started.
    ///   - part: Which of a server's services this is. Default: the only one.
    ///   - limits: What it shares with the others.
    ///   - random: Where ids of trees and numbers of members come from. It must be unpredictable, except in tests.
    package init(
        options: SignallingOptions = SignallingOptions(),
        security: SignallingSecurity,
        term: UInt64,
        startedAt: Instant = .zero,
        part: SignallingPart = .whole,
        limits: SharedLimits? = nil,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.part = part
        let limits = limits ?? SharedLimits(options)
        gateway = Gateway(
            options: options,
            security: security,
            owner: SlotOwner(ServiceID(0), term: term),
            limits: limits,
            random: random
        )
        tree = TreeService(
            options: options,
            security: security,
            slots: SlotTenures(all: term, since: startedAt),
            limits: limits,
            random: random
        )
    }

    /// When to call ``handle(_:at:)`` again at the latest, or nil if nothing is pending.
    package var deadline: Instant? { tree.deadline }

    /// Whether it is a good moment to send more clients here.
    package func readiness(at now: Instant) -> Readiness {
        if gateway.isLeaving { return .stopping }
        return tree.isRestoring(at: now) ? .restoring : .ready
    }

    /// Takes in what happened.
    package mutating func handle(_ input: Input, at now: Instant) {
        // Whatever is due comes before the input, so that it meets the state it would have met in time.
        if let deadline, deadline <= now {
            pass(TreeService.Input.deadlineReached, at: now)
        }
        switch input {
        case .connected(let id, let address, let token):
            pass(.connected(id: id, address: address, token: token), at: now)
        case .event(let id, let name, let arguments): pass(.event(id: id, name: name, arguments: arguments), at: now)
        case .disconnected(let id): pass(.disconnected(id: id), at: now)
        case .asked(let watcher, let question): pass(.asked(watcher: watcher, question), at: now)
        case .told(.toTree(let message, let gateway)): pass(TreeService.Input.told(message, by: gateway), at: now)
        case .told(.toGateway(let message, let fence)): pass(.told(message, fence), at: now)
        case .deadlineReached: break
        case .reachable: pass(TreeService.Input.reachable, at: now)
        case .goingAway: pass(.goingAway, at: now)
        }
    }

    /// The next thing to do, or nil if all is done for now.
    package mutating func nextOutput() -> Output? { outputs.next() }

    // MARK: Messages

    private mutating func pass(_ input: Gateway.Input, at now: Instant) {
        gateway.handle(input, at: now)
        carryOut(at: now)
    }

    private mutating func pass(_ input: TreeService.Input, at now: Instant) {
        hand(input, at: now)
        carryOut(at: now)
    }

    /// Does what the gateway wants done.
    private mutating func carryOut(at now: Instant) {
        while let output = gateway.nextOutput() {
            switch output {
            case .emit(let id, let event, let payload):
                outputs.append(.emit(id: id, event: event, payload: payload))
            case .probe(let id): outputs.append(.probe(id: id))
            case .disconnect(let id): outputs.append(.disconnect(id: id))
            case .answer(let watcher, let answer): outputs.append(.answer(watcher: watcher, answer))
            case .send(let message, _): deliver(message, at: now)
            }
        }
    }

    /// Says something to the part that has the tree, or to all.
    private mutating func deliver(_ message: ToTree, at now: Instant) {
        let parts = message.tree.map { part.part(ofTree: $0) }.map { $0..<$0 + 1 } ?? 0..<part.count
        for number in parts {
            if number == part.number {
                hand(.told(message, by: part.gateway), at: now)
            } else {
                outputs.append(.tell(.toTree(message, by: part.gateway), part: number))
            }
        }
    }

    private mutating func hand(_ input: TreeService.Input, at now: Instant) {
        tree.handle(input, at: now)
        while let output = tree.nextOutput() {
            guard case .tell(let message, let name, let fence) = output else { continue }
            if name == part.gateway {
                gateway.handle(.told(message, fence), at: now)
            } else {
                outputs.append(.tell(.toGateway(message, fence), part: Int(name.number)))
            }
        }
    }
}
