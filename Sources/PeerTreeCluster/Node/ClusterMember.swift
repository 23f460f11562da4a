package import NIOCore
package import NodeLinks
import PeerTreeCore
package import PeerTreeSignalling
import PeerTreeSignallingWire

/// Makes a server a node of a cluster: drives a ``ClusterNode`` between the server's loops, the links to other nodes, and etcd,
/// and decides nothing. All of it happens on the event loop of the links.
package actor ClusterMember {
    /// What a server has for the other nodes.
    package struct Server: Sendable {
        /// Every loop hears it, in order.
        package var hear: @Sendable (SignallingService.Input) -> Void
        /// The loop of this number hears what is read.
        package var hearAt: @Sendable (Int, @escaping @Sendable () -> [PartMessage]) -> Void
        package var loops: Int
        /// What it has.
        package var list: @Sendable () async -> TreeList

        package init(
            loops: Int,
            list: @escaping @Sendable () async -> TreeList,
            hear: @escaping @Sendable (SignallingService.Input) -> Void,
            hearAt: @escaping @Sendable (Int, @escaping @Sendable () -> [PartMessage]) -> Void
        ) {
            self.loops = loops
            self.list = list
            self.hear = hear
            self.hearAt = hearAt
        }
    }

    nonisolated let eventLoop: any EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    private let options: ClusterOptions
    private let signalling: SignallingOptions
    private let report: @Sendable (ClusterNotice) -> Void
    private let etcd: EtcdClient
    private var node: ClusterNode
    private var server: Server?
    private var links: NodeLinks?
    private var ownership: SlotOwnershipDriver?
    /// What is to be said to the ownership, in its order.
    private let inputs: AsyncStream<SlotOwnership.Input>
    private let toOwnership: AsyncStream<SlotOwnership.Input>.Continuation
    private var tasks: [Task<Void, Never>] = []
    private var isDraining = false
    private var unconfirmed = UnconfirmedTime(at: BootTime.now)

    /// - Parameters:
    ///   - signalling: The server's; they bound what other nodes say.
    ///   - report: Told what an operator should know.
    /// - Throws: if etcd's options are none.
    package init(
        _ options: ClusterOptions,
        signalling: SignallingOptions,
        on eventLoop: any EventLoop,
        report: @escaping @Sendable (ClusterNotice) -> Void
    ) throws {
        self.options = options
        self.signalling = signalling
        self.eventLoop = eventLoop
        self.report = report
        etcd = try EtcdClient(options.etcd)
        node = ClusterNode(options.node, version: options.version, options: signalling)
        (inputs, toOwnership) = AsyncStream.makeStream()
    }

    /// Joins the cluster: listens for other nodes, and claims slots.
    ///
    /// - Returns: where other nodes reach this one.
    /// - Throws: what the system says where it cannot be listened.
    package func start(_ server: Server) async throws -> LinkAddress {
        self.server = server
        guard let name = NodeName(options.node.name) else { throw ClusterOptionsError("the node's name is none") }
        let links = try NodeLinks(name: name, secrets: options.secrets, options: options.links, on: eventLoop) {
            [weak self] name, event in
            self?.assumeIsolated { $0.feed(.link(name, event)) }
        }
        self.links = links
        let host = options.listenHost ?? options.advertised.host
        let bound = try await links.listen(host: host, port: options.advertised.port)
        let address = options.advertised.at(port: bound.port ?? options.advertised.port)
        guard let record = NodeRecord(id: options.node, address: address.description) else {
            throw ClusterOptionsError("the advertised address '\(address)' is longer than it may be")
        }
        let ownership = SlotOwnershipDriver(record, etcd, options: options.ownership) { [weak self] news in
            guard let self else { return }
            eventLoop.execute { self.assumeIsolated { $0.feed(.ownership(news)) } }
        }
        self.ownership = ownership
        let inputs = inputs
        tasks.append(Task { for await input in inputs { await ownership.feed(input) } })
        tasks.append(Task { await reportForever(server) })
        await ownership.start()
        return address
    }

    /// Gives the slots that it has to the other nodes, whose services go on with this one's sockets.
    ///
    /// - Returns: whether that was done within ``ClusterOptions/leaveLimit``. What is left is claimed by others once the lease is
    ///   over.
    package func leave() async -> Bool {
        feed(.leaving)
        return await ownership?.leave(within: options.leaveLimit) ?? true
    }

    /// Ends all at once, as the node's death would: its keys stay at etcd for as long as its lease.
    package func stop() async {
        await ownership?.stop()
        toOwnership.finish()
        for task in tasks { task.cancel() }
        await links?.close()
        try? await etcd.shutdown()
    }

    /// What a loop says to another node. Called on the loop's thread, where it is written.
    package nonisolated func send(_ messages: [NodeMessage], to session: NodeSession) {
        let frames = NodeMail.frames(messages)
        eventLoop.execute {
            self.assumeIsolated { member in
                for frame in frames { member.feed(.send(frame, to: session)) }
            }
        }
    }

    /// What a loop has frozen for another node; nil if it could not. Called on the loop's thread, where it is written.
    package nonisolated func handOver(_ slot: Slot, _ term: SlotTerm, _ snapshot: SlotSnapshot?) {
        let (fence, frozen) = (FencingToken(slot: slot, term: term), snapshot.map { FrozenSlot($0) })
        eventLoop.execute { self.assumeIsolated { $0.feed(.frozen(fence, frozen)) } }
    }

    package var status: ClusterStatus { node.status }

    /// What the others have, as they said last.
    package var elsewhere: TreeList { node.listElsewhere }

    /// What the node is and has done.
    package var figures: ClusterFigures {
        ClusterFigures(
            nodes: node.status.nodes.count { $0.isReachable },
            slots: node.own.count,
            isConfirmed: node.report.isConfirmed,
            unconfirmedSeconds: unconfirmed.nanoseconds(at: BootTime.now) / 1_000_000_000,
            counts: node.counts,
            links: links?.assumeIsolated { $0.figures } ?? LinkFigures()
        )
    }

    private func reportForever(_ server: Server) async {
        repeat {
            feed(.report(await server.list()))
        } while (try? await Task.sleep(for: options.reportInterval)) != nil
    }

    // MARK: The machine

    private func feed(_ input: ClusterNode.Input) {
        node.handle(input)
        // What the links say while they are told something comes after that.
        guard !isDraining else { return }
        isDraining = true
        defer { isDraining = false }
        while let output = node.nextOutput() { carryOut(output) }
    }

    private func carryOut(_ output: ClusterNode.Output) {
        switch output {
        case .link(let name, let address): links?.assumeIsolated { $0.add(name, at: address) }
        case .unlink(let name): links?.assumeIsolated { $0.remove(name) }
        case .send(let name, let frame): send(frame, to: name)
        case .tell(let input): server?.hear(input)
        case .toTrees(let letters, let gateway): deliver(letters, by: gateway)
        case .toGateway(let letters, let number, let session): deliver(letters, to: number, from: session)
        case .ownership(let input): toOwnership.yield(input)
        case .noticed(let notice):
            if case .confirmed(let isConfirmed) = notice { unconfirmed.confirmed(isConfirmed, at: BootTime.now) }
            report(notice)
        }
    }

    private func send(_ frame: [UInt8], to name: NodeName) {
        // Where there is no session, or none any more, the end of it says what is lost.
        _ = links?.assumeIsolated { try? $0.send(ByteBuffer(bytes: frame), to: name) }
    }

    /// Each loop has some of the slots.
    private func deliver(_ letters: [LetterToTree], by gateway: GatewayID) {
        guard let server else { return }
        let byLoop = Dictionary(grouping: letters) { SignallingPart.part(of: $0.slot, among: server.loops) }
        for (loop, letters) in byLoop {
            let (signalling, unreadable) = (signalling, unreadable(gateway.node))
            server.hearAt(loop) {
                NodeMail.read(letters, by: gateway, options: signalling, unreadable: unreadable)
            }
        }
    }

    private func deliver(_ letters: [LetterToGateway], to number: UInt32, from session: NodeSession) {
        guard let server else { return }
        let (signalling, unreadable) = (signalling, unreadable(session))
        guard number < server.loops else { return unreadable("there is no gateway number \(number)") }
        server.hearAt(Int(number)) {
            NodeMail.read(letters, options: signalling, unreadable: unreadable)
        }
    }

    /// To be called on any thread.
    private nonisolated func unreadable(_ session: NodeSession) -> @Sendable (String) -> Void {
        { [weak self] words in
            guard let self else { return }
            eventLoop.execute { self.assumeIsolated { $0.feed(.unreadable(session, words)) } }
        }
    }
}
