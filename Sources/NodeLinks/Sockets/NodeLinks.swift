package import NIOCore
import NIOPosix

/// The links of a node to the other nodes of its cluster, over TLS: a thin driver around ``LinkNode``, on one event loop.
///
/// ```swift
/// let links = try NodeLinks(name: name, secrets: secrets, on: eventLoop) { node, event in … }
/// let address = try await links.listen(host: "0.0.0.0", port: 7000)
/// await links.add(other, at: LinkAddress(host: "10.0.0.2", port: 7000))
/// ```
///
/// Events come on the event loop, in order; whoever is there already can send with `assumeIsolated` at once.
package actor NodeLinks {
    package nonisolated let eventLoop: any EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    /// Hears of every link. For strangers the name is nil.
    package typealias Listener = @Sendable (NodeName?, LinkEvent) -> Void

    private let listener: Listener
    private let certificate: LinkCertificate
    private let connectTimeout: TimeAmount
    private var node: LinkNode
    private var addresses: [NodeName: LinkAddress] = [:]
    private var channels: [ConnectionID: LinkChannel] = [:]
    private var server: (any Channel)?
    private var lastConnection: UInt64 = 0
    private var timer: (at: NIODeadline, task: Scheduled<Void>)?
    private var isDraining = false
    /// Those that have something to write at the end of the turn.
    private var unflushed: [ConnectionID] = []
    private var isClosed = false

    /// - Throws: if no certificate could be made.
    package init(
        name: NodeName,
        secrets: LinkSecrets,
        options: LinkOptions = LinkOptions(),
        on eventLoop: any EventLoop,
        listener: @escaping Listener
    ) throws {
        var random = SystemRandomNumberGenerator()
        let identity = LinkIdentity(name: name, run: LinkID(using: &random), secrets: secrets)
        self.eventLoop = eventLoop
        self.listener = listener
        connectTimeout = options.connectTimeout
        certificate = try LinkCertificate()
        node = LinkNode(identity, options, random: random)
    }

    // MARK: The user

    /// Lets other nodes connect.
    ///
    /// - Returns: where: port 0 is any that is free.
    /// - Throws: what the system says.
    package func listen(host: String, port: Int) async throws -> SocketAddress {
        let channel = try await ServerBootstrap(group: eventLoop)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.assumeIsolated { try $0.accept(channel) } }
            }
            .bind(host: host, port: port).get()
        server = channel
        guard let address = channel.localAddress else { throw ChannelError.ioOnClosedChannel }
        return address
    }

    /// Links a node, or tells of its new address.
    package func add(_ name: NodeName, at address: LinkAddress) {
        addresses[name] = address
        feed(.add(name))
    }

    /// Ends a link, and its session.
    package func remove(_ name: NodeName) {
        feed(.remove(name))
        addresses[name] = nil
    }

    /// Replaces the secrets; connections that are proven stay.
    package func use(_ secrets: LinkSecrets) {
        feed(.secrets(secrets))
    }

    /// Sends a payload, to come out once and in order as long as both processes live.
    ///
    /// - Returns: its number in the session.
    /// - Throws: ``LinkError`` if it was not taken.
    @discardableResult
    package func send(_ payload: ByteBuffer, to name: NodeName) throws(LinkError) -> UInt64 {
        defer { drain() }
        return try node.send(payload, to: name, at: .now())
    }

    /// Whether to take what comes from a node. What is not taken waits there, and tells its user to wait.
    package func takeFrames(_ takes: Bool, from name: NodeName) {
        feed(.readsFrames(name, takes))
    }

    /// What the links hold, for metrics.
    package var figures: LinkFigures { node.figures }

    /// Ends all links. Nothing comes of them any more.
    package func close() async {
        isClosed = true
        timer?.task.cancel()
        timer = nil
        let open = channels.values.map(\.channel) + [server].compactMap { $0 }
        channels = [:]
        for channel in open { try? await channel.close() }
    }

    // MARK: Sockets

    private func newConnection(_ channel: any Channel, _ role: LinkRole) throws -> ConnectionID {
        lastConnection += 1
        let id = ConnectionID(lastConnection)
        channels[id] = LinkChannel(channel)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandlers([try certificate.makeHandler(role), LinkConnectionHandler(id, of: self)])
        return id
    }

    private func accept(_ channel: any Channel) throws {
        guard !isClosed else { throw ChannelError.ioOnClosedChannel }
        feed(.accepted(try newConnection(channel, .acceptor)))
    }

    private func dial(_ name: NodeName) {
        guard let address = addresses[name] else { return }
        ClientBootstrap(group: eventLoop)
            .connectTimeout(connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: address.host, port: address.port)
            .whenComplete { result in self.assumeIsolated { $0.dialed(name, result) } }
    }

    private func dialed(_ name: NodeName, _ result: Result<any Channel, any Error>) {
        do {
            let channel = try result.get()
            guard !isClosed else { return channel.close(promise: nil) }
            feed(.dialed(try newConnection(channel, .dialer), name))
        } catch {
            feed(.dialFailed(name, "\(error)"))
        }
    }

    func secured(_ id: ConnectionID, by other: [UInt8]) {
        feed(.secured(id, LinkCertificates(own: certificate.der, other: other)))
    }

    func forget(_ id: ConnectionID) {
        guard channels.removeValue(forKey: id) != nil else { return }
        feed(.closed(id))
    }

    // MARK: The machine

    func feed(_ input: LinkNode.Input) {
        guard !isClosed else { return }
        node.handle(input, at: .now())
        drain()
    }

    private func drain() {
        // Who sends out of an event is served by whoever told of it.
        guard !isDraining else { return }
        isDraining = true
        while let output = node.nextOutput() {
            switch output {
            case .dial(let name): dial(name)
            case .write(let id, let frame): write(frame, to: id)
            case .close(let id): close(id)
            case .read(let id, let reads): channels[id]?.read(reads)
            case .event(let name, let event): listener(name, event)
            case .refusedStranger(let refusal, let refuser): listener(nil, .refused(refusal, by: refuser))
            }
        }
        isDraining = false
        schedule()
    }

    private func write(_ frame: LinkFrame, to id: ConnectionID) {
        guard let channel = channels[id] else { return }
        frame.write(to: &channel.waiting)
        guard !channel.isWaiting else { return }
        channel.isWaiting = true
        unflushed.append(id)
        if unflushed.count == 1 { eventLoop.execute { self.assumeIsolated { $0.flush() } } }
    }

    /// Hands to the sockets what the turn has brought.
    private func flush() {
        let turn = unflushed
        unflushed = []
        for id in turn {
            guard let channel = channels[id] else { continue }
            channel.flush()
            if channel.isWritable { feed(.writable(id)) }
        }
    }

    private func close(_ id: ConnectionID) {
        guard let channel = channels.removeValue(forKey: id) else { return }
        channel.flush()
        channel.close()
    }

    private func schedule() {
        guard let deadline = node.deadline else {
            timer?.task.cancel()
            timer = nil
            return
        }
        if let timer, timer.at <= deadline { return }
        timer?.task.cancel()
        let task = eventLoop.scheduleTask(deadline: deadline) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.reachedDeadline() }
        }
        timer = (deadline, task)
    }

    private func reachedDeadline() {
        timer = nil
        feed(.deadlineReached)
    }
}
