import NIOCore
import SCTP

/// The loop-bound part of a transport: finds the connection a datagram belongs to, and flushes what a tick produced.
final class TransportCore {
    let configuration: WebRTCConfiguration
    let eventLoop: any EventLoop
    let dtls: DTLSContext
    /// What the receive windows of all connections may grow by.
    let windowBudget: WindowBudget
    let sockets: [UDPSocket]
    /// `iceServers` of the configuration.
    let defaultServers: [ResolvedServer]
    private(set) var hostCandidates: [GatheredCandidate]
    /// Told, by number, when the host's addresses have changed.
    var networkObservers: [Int: (NetworkChange) -> Void] = [:]
    var counters = WebRTCCounters()
    let serverNames: HostResolver
    let peerNames: HostResolver
    private var connections: [UInt32: PeerConnection] = [:]
    private var byUsernameFragment: [String: PeerConnection] = [:]
    /// Who is at an address. More than one only if two connections join the same two transports.
    private var routes: [TransportAddress: [PeerConnection]] = [:]
    /// Which of them a datagram is for.
    let shared = SharedSessions()
    private var nextID: UInt32
    private var dirty: [PeerConnection] = []
    private var isFlushScheduled = false
    private var isReading = false
    private var isFlushing = false
    private var isClosed = false
    private var monitor: AddressMonitor?
    private(set) lazy var servers = ServerPool(core: self)

    /// Plaintext of one datagram, for all connections: it is emptied before anything else happens.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    /// Plaintext of the packet that is just being sent.
    let packet = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)

    init(
        _ configuration: WebRTCConfiguration,
        eventLoop: any EventLoop,
        serverNames: HostResolver = .ofServers,
        peerNames: HostResolver = .ofPeers
    ) throws {
        eventLoop.preconditionInEventLoop()
        self.configuration = configuration
        self.eventLoop = eventLoop
        self.serverNames = serverNames
        self.peerNames = peerNames
        self.windowBudget = WindowBudget(bytes: configuration.receiveWindowBudget)
        do throws(DTLSError) {
            self.dtls = try DTLSContext.ofProcess.get()
        } catch {
            throw WebRTCError.cryptography(error.description)
        }
        self.sockets = try Self.bindSockets(configuration, eventLoop)
        self.hostCandidates = HostCandidates.gather(configuration, self.sockets)
        self.nextID = .random(in: .min ... .max)
        self.defaultServers = try ResolvedServer.parse(configuration.iceServers)
        // A socket bound to one address has one host candidate, whatever else comes and goes.
        if self.sockets.contains(where: { !$0.localAddress.isUnicast }) {
            self.monitor = AddressMonitor(
                eventLoop: eventLoop,
                pollInterval: configuration.ice.addressPollInterval
            ) { [weak self] in
                self?.addressesMayHaveChanged()
            }
        }
    }

    deinit {
        self.scratch.deallocate()
        self.packet.deallocate()
    }

    func register() -> EventLoopFuture<Void> {
        let loop = self.eventLoop
        let core = NIOLoopBound(self, eventLoop: loop)
        let registrations = self.sockets.indices.map { base -> EventLoopFuture<Void> in
            self.sockets[base]
                .register(on: loop) { DatagramHandler(core: core, base: base) }
                .map { core.value.sockets[base].attach($0) }
        }
        return EventLoopFuture.andAllSucceed(registrations, on: loop)
    }

    func makePeerConnection(
        servers: [ResolvedServer]? = nil,
        policy: ICETransportPolicy? = nil
    ) throws(WebRTCError) -> PeerConnection {
        guard !self.isClosed else { throw .closed }
        guard self.connections.count < self.configuration.maximumPeerConnections else {
            throw .tooManyConnections(limit: self.configuration.maximumPeerConnections)
        }
        let connection = PeerConnection(
            transport: self,
            id: self.takeID(),
            servers: servers ?? self.defaultServers,
            policy: policy ?? self.configuration.iceTransportPolicy
        )
        self.connections[connection.id] = connection
        self.add(usernameFragment: connection.ice.agent.local.usernameFragment, of: connection)
        return connection
    }

    /// A number for STUN transactions that no connection and no server session has.
    func takeID() -> UInt32 {
        repeat {
            self.nextID &+= 1
        } while self.connections[self.nextID] != nil || self.servers.session(self.nextID) != nil
        return self.nextID
    }

    func connection(_ id: UInt32) -> PeerConnection? { self.connections[id] }

    func add(usernameFragment: String, of connection: PeerConnection) {
        self.byUsernameFragment[usernameFragment] = connection
    }

    func remove(usernameFragment: String) {
        self.byUsernameFragment[usernameFragment] = nil
    }

    func remove(_ connection: PeerConnection, routes addresses: [TransportAddress]) {
        self.connections[connection.id] = nil
        self.shared.forget(connection)
        for agent in [connection.ice.agent, connection.ice.previousAgent].compactMap({ $0 }) {
            self.remove(usernameFragment: agent.local.usernameFragment)
        }
        self.servers.detach(connection)
        for address in addresses { self.removeRoute(address, to: connection) }
    }

    func removeRoute(_ address: TransportAddress, to connection: PeerConnection) {
        self.routes[address]?.removeAll { $0 === connection }
        if self.routes[address]?.isEmpty == true { self.routes[address] = nil }
    }

    func addRoute(_ address: TransportAddress, to connection: PeerConnection) {
        self.routes[address, default: []].append(connection)
    }

    func close() {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.monitor?.close()
        self.networkObservers = [:]
        for connection in self.connections.values { connection.close() }
        self.servers.close()
        for socket in self.sockets { socket.close() }
    }

    var currentCounters: WebRTCCounters {
        var counters = self.counters
        for socket in self.sockets {
            counters.sentDatagrams += socket.counters.sentDatagrams
            counters.sentBytes += socket.counters.sentBytes
            counters.largestSentDatagram = max(counters.largestSentDatagram, socket.counters.largestDatagram)
            counters.sendCalls += socket.counters.sendCalls
            counters.unsentDatagrams += socket.counters.unsentDatagrams
        }
        return counters
    }

    // MARK: - Changes of the network

    private func addressesMayHaveChanged() {
        guard !self.isClosed else { return }
        let before = self.hostCandidates
        let now = HostCandidates.gather(self.configuration, self.sockets)
        let known = Set(before.map(\.candidate.address))
        guard known != Set(now.map(\.candidate.address)) else { return }
        self.hostCandidates = now
        let added = now.filter { !known.contains($0.candidate.address) }
        for connection in self.connections.values { connection.networkChanged(added: added) }
        self.servers.networkChanged()
        let change = NetworkChange(
            added: added.map(\.candidate.address),
            removed: known.subtracting(now.map(\.candidate.address)).sorted { $0.description < $1.description }
        )
        for observer in self.networkObservers.values { observer(change) }
    }

    // MARK: - Ticks

    /// Notes that a connection has something to drain. Once per tick everything noted is drained and sent.
    func markDirty(_ connection: PeerConnection) {
        if connection.work.isDirty { return }
        connection.work.isDirty = true
        self.dirty.append(connection)
        self.requestFlush()
    }

    /// Sees to it that what was appended to the sockets leaves with the end of the tick.
    func requestFlush() {
        guard !self.isReading, !self.isFlushing, !self.isFlushScheduled else { return }
        self.isFlushScheduled = true
        self.eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.endTick()
        }
    }

    private func endTick() {
        self.isFlushing = true
        defer { self.isFlushing = false }
        // Draining one connection may make another dirty: a relay sends what it received.
        var index = 0
        while index < self.dirty.count {
            let connection = self.dirty[index]
            connection.work.isDirty = false
            connection.pump()
            index += 1
        }
        self.dirty.removeAll(keepingCapacity: true)
        for socket in self.sockets { socket.flush() }
    }

    // MARK: - Receiving

    /// A datagram that came through a relay.
    func receiveRelayed(_ datagram: UnsafeRawBufferPointer, from peer: TransportAddress, base: Int) {
        guard !datagram.isEmpty else { return }
        self.dispatch(datagram, from: peer, route: self.routes[peer], base: base)
    }

    func receive(_ envelope: AddressedEnvelope<ByteBuffer>, base: Int) {
        self.isReading = true
        guard let source = TransportAddress(envelope.remoteAddress) else { return }
        let segment = max(1, envelope.metadata?.segmentSize ?? Int.max)
        let route = self.routes[source]
        envelope.data.withUnsafeReadableBytes { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            repeat {
                let datagram = UnsafeRawBufferPointer(rebasing: rest.prefix(segment))
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(segment))
                self.counters.receivedDatagrams &+= 1
                self.counters.receivedBytes &+= UInt64(datagram.count)
                self.dispatch(datagram, from: source, route: route, base: base)
            } while !rest.isEmpty
        }
    }

    func readComplete() {
        self.isReading = false
        self.endTick()
    }

    /// Tells the protocols apart by the first byte (RFC 7983 section 7).
    private func dispatch(
        _ datagram: UnsafeRawBufferPointer,
        from source: TransportAddress,
        route: [PeerConnection]?,
        base: Int
    ) {
        switch datagram.first {
        case .some(20...63):
            guard let route, let first = route.first else {
                self.counters.droppedUnroutedDTLS &+= 1
                return
            }
            for connection in route { connection.credit(datagram.count, from: source) }
            let isTaken =
                route.count == 1 ? first.receiveDTLS(datagram) : self.receiveShared(datagram, from: source, route)
            if !isTaken { self.counters.droppedInvalidDTLS &+= 1 }
        case .some(0...3):
            self.receiveSTUN(datagram, from: source, base: base)
        case .some(64...79):
            self.receiveChannelData(datagram, from: source, base: base)
        default:
            self.counters.droppedUnknownProtocol &+= 1
        }
    }

    /// Several connections join us to the same peer address. Whose a datagram is, its encryption tells: what does not
    /// decrypt is dropped without a trace by every other session. A handshake goes to the youngest that waits for it.
    private func receiveShared(
        _ datagram: UnsafeRawBufferPointer,
        from source: TransportAddress,
        _ route: [PeerConnection]
    ) -> Bool {
        guard let flight = DTLSFlight(datagram) else {
            return self.shared.deliver(datagram, from: source, among: route)
        }
        return route.last { $0.awaits(flight) }?.receiveDTLS(datagram) ?? false
    }

    private func receiveSTUN(_ datagram: UnsafeRawBufferPointer, from source: TransportAddress, base: Int) {
        let decoder: STUNDecoder
        do {
            guard datagram.count <= 2048 else { throw STUNError.badLength }
            decoder = try STUNDecoder(Array(datagram))
        } catch {
            self.counters.droppedMalformedSTUN &+= 1
            return
        }
        let connection: PeerConnection?
        switch decoder.message.messageClass {
        case .indication where decoder.message.method == STUNMessage.dataMethod:
            guard base < self.sockets.count, let relay = self.servers.relay(at: source) else {
                return self.counters.droppedUnpermittedRelayData &+= 1
            }
            return relay.receive(decoder)
        case .request, .indication:
            let fragment = decoder.message.username?.prefix { $0 != ":" }
            connection = fragment.flatMap { self.byUsernameFragment[String($0)] }
        case .success, .error:
            let id = decoder.message.transactionID.connection
            if let session = self.servers.session(id), session.server == source { return session.receive(decoder) }
            connection = self.connections[id]
        }
        guard let connection else {
            self.counters.droppedUnauthenticSTUN &+= 1
            return
        }
        connection.receive(decoder, from: source, base: base)
    }

    // MARK: - Setting up

    private static func bindSockets(
        _ configuration: WebRTCConfiguration,
        _ eventLoop: any EventLoop
    ) throws(WebRTCError) -> [UDPSocket] {
        guard let port = UInt16(exactly: configuration.port) else {
            throw .invalidAddress("port \(configuration.port)")
        }
        let isExplicit = !configuration.bindAddresses.isEmpty
        let texts = isExplicit ? configuration.bindAddresses : ["0.0.0.0", "::"]
        var sockets: [UDPSocket] = []
        var failure: WebRTCError?
        for text in texts {
            guard let address = TransportAddress(ip: text, port: port) else { throw .invalidAddress(text) }
            guard !sockets.contains(where: { $0.family == address.family }) else {
                throw .invalidAddress("\(text) (a second address of the same IP version)")
            }
            // The same port for both versions, where it is free.
            let preferred = address.with(port: port == 0 ? sockets.first?.localAddress.port ?? 0 : port)
            do throws(WebRTCError) {
                sockets.append(try Self.open(preferred, fallback: port == 0 ? address : nil, configuration, eventLoop))
            } catch {
                if isExplicit { throw error }
                failure = error
            }
        }
        guard !sockets.isEmpty else { throw failure ?? .invalidAddress("no address") }
        return sockets
    }

    private static func open(
        _ address: TransportAddress,
        fallback: TransportAddress?,
        _ configuration: WebRTCConfiguration,
        _ eventLoop: any EventLoop
    ) throws(WebRTCError) -> UDPSocket {
        let size = configuration.udpReceiveBufferSize
        do throws(WebRTCError) {
            return try UDPSocket(binding: address, receiveBufferSize: size, eventLoop: eventLoop)
        } catch {
            guard let fallback else { throw error }
            return try UDPSocket(binding: fallback, receiveBufferSize: size, eventLoop: eventLoop)
        }
    }
}

/// Brings what SwiftNIO read to the transport.
private final class DatagramHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let core: NIOLoopBound<TransportCore>
    private let base: Int

    init(core: NIOLoopBound<TransportCore>, base: Int) {
        self.core = core
        self.base = base
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.core.value.receive(self.unwrapInboundIn(data), base: self.base)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.core.value.readComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.core.value.sockets[self.base].close()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A read error of UDP (an earlier send that was refused, say) concerns one peer; ICE notices it by silence.
    }
}

extension TransportAddress {
    init?(_ address: SocketAddress) {
        switch address {
        case .v4(let v4): self.init(v4.address)
        case .v6(let v6): self.init(v6.address)
        case .unixDomainSocket: return nil
        }
    }
}
