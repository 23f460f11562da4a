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
    let names: Names
    let table = ConnectionTable()
    let scratch = Scratch()
    var host: Host
    var counters = WebRTCCounters()
    private var tick = Tick()
    private var isClosed = false
    private(set) lazy var servers = ServerPool(core: self)

    /// Who looks names up: a peer's cannot keep servers from being found.
    struct Names {
        var ofServers = HostResolver.ofServers
        var ofPeers = HostResolver.ofPeers
    }

    /// The host's addresses.
    struct Host {
        fileprivate(set) var candidates: [GatheredCandidate]
        /// Told, by number, when the addresses have changed.
        var observers: [Int: (NetworkChange) -> Void] = [:]
        fileprivate var monitor: AddressMonitor?
    }

    /// What becomes of one turn of the loop.
    private struct Tick {
        /// Connections with something to drain.
        var dirty: [PeerConnection] = []
        var isFlushScheduled = false
        var isReading = false
        var isFlushing = false
    }

    init(
        _ configuration: WebRTCConfiguration,
        eventLoop: any EventLoop,
        names: Names = Names()
    ) throws {
        eventLoop.preconditionInEventLoop()
        self.configuration = configuration
        self.eventLoop = eventLoop
        self.names = names
        self.windowBudget = WindowBudget(bytes: configuration.receiveWindowBudget)
        do throws(DTLSError) {
            self.dtls = try DTLSContext.ofProcess.get()
        } catch {
            throw WebRTCError.cryptography(error.description)
        }
        self.sockets = try Self.bindSockets(configuration, eventLoop)
        self.host = Host(candidates: HostCandidates.gather(configuration, self.sockets))
        self.defaultServers = try ResolvedServer.parse(configuration.iceServers)
        // A socket bound to one address has one host candidate, whatever else comes and goes.
        if self.sockets.contains(where: { !$0.localAddress.isUnicast }) {
            self.host.monitor = AddressMonitor(
                eventLoop: eventLoop,
                pollInterval: configuration.ice.addressPollInterval
            ) { [weak self] in
                self?.addressesMayHaveChanged()
            }
        }
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
        guard self.table.count < self.configuration.maximumPeerConnections else {
            throw .tooManyConnections(limit: self.configuration.maximumPeerConnections)
        }
        let connection = PeerConnection(
            transport: self,
            id: self.takeID(),
            servers: servers ?? self.defaultServers,
            policy: policy ?? self.configuration.iceTransportPolicy
        )
        self.table.add(connection)
        return connection
    }

    /// A number for STUN transactions that no connection and no server session has.
    func takeID() -> UInt32 {
        self.table.takeID { self.servers.session($0) != nil }
    }

    func remove(_ connection: PeerConnection) {
        self.table.remove(connection)
        self.servers.detach(connection)
    }

    func close() {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.host.monitor?.close()
        self.host.observers = [:]
        for connection in self.table.all { connection.close() }
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
        let before = self.host.candidates
        let now = HostCandidates.gather(self.configuration, self.sockets)
        let known = Set(before.map(\.candidate.address))
        guard known != Set(now.map(\.candidate.address)) else { return }
        self.host.candidates = now
        let added = now.filter { !known.contains($0.candidate.address) }
        for connection in self.table.all { connection.networkChanged(added: added) }
        self.servers.networkChanged()
        let change = NetworkChange(
            added: added.map(\.candidate.address),
            removed: known.subtracting(now.map(\.candidate.address)).sorted { $0.description < $1.description }
        )
        for observer in self.host.observers.values { observer(change) }
    }

    // MARK: - Ticks

    /// Notes that a connection has something to drain. Once per tick everything noted is drained and sent.
    func markDirty(_ connection: PeerConnection) {
        if connection.work.isDirty { return }
        connection.work.isDirty = true
        self.tick.dirty.append(connection)
        self.requestFlush()
    }

    /// Sees to it that what was appended to the sockets leaves with the end of the tick.
    func requestFlush() {
        guard !self.tick.isReading, !self.tick.isFlushing, !self.tick.isFlushScheduled else { return }
        self.tick.isFlushScheduled = true
        self.eventLoop.assumeIsolated().execute {
            self.tick.isFlushScheduled = false
            self.endTick()
        }
    }

    private func endTick() {
        self.tick.isFlushing = true
        defer { self.tick.isFlushing = false }
        // Draining one connection may make another dirty: a relay sends what it received.
        var index = 0
        while index < self.tick.dirty.count {
            let connection = self.tick.dirty[index]
            connection.work.isDirty = false
            connection.pump()
            index += 1
        }
        self.tick.dirty.removeAll(keepingCapacity: true)
        for socket in self.sockets { socket.flush() }
    }

    // MARK: - Receiving

    /// A datagram that came through a relay.
    func receiveRelayed(_ datagram: UnsafeRawBufferPointer, from peer: TransportAddress, base: Int) {
        guard !datagram.isEmpty else { return }
        self.dispatch(datagram, from: peer, route: self.table.connections(at: peer), base: base)
    }

    func receive(_ envelope: AddressedEnvelope<ByteBuffer>, base: Int) {
        self.tick.isReading = true
        guard let source = TransportAddress(envelope.remoteAddress) else { return }
        let segment = max(1, envelope.metadata?.segmentSize ?? Int.max)
        let route = self.table.connections(at: source)
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
        self.tick.isReading = false
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
            return self.table.shared.deliver(datagram, from: source, among: route)
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
            connection = fragment.flatMap { self.table.connection(usernameFragment: String($0)) }
        case .success, .error:
            let id = decoder.message.transactionID.connection
            if let session = self.servers.session(id), session.server == source { return session.receive(decoder) }
            connection = self.table.connection(id)
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
