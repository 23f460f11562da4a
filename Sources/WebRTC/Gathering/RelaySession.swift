import NIOCore

/// Drives a `TURNClient` over the shared UDP socket, TCP or TLS, and carries the datagrams of its relay.
final class RelaySession: ServerSession {
    /// How the server is talked to.
    enum Path {
        case udp(base: Int)
        case stream(TURNStream)
    }

    let context: SessionContext
    /// The number under which ICE agents know the relay.
    let base: Int
    private(set) var isSettled = false
    private(set) var candidates: [GatheredCandidate] = []
    private let url: ICEServerURL
    private let driver: ExchangeDriver<TURNClient>
    private var path: Path?
    private var silence: RelaySilence
    private var silenceAlarm: Alarm?
    private var random = SystemRandomNumberGenerator()
    /// Datagrams that wait for a permission.
    private var waiting: [(peer: TransportAddress, datagram: [UInt8])] = []
    private var waitingBytes = 0
    private var isOver = false

    init(_ context: SessionContext, url: ICEServerURL, credentials: TURNClient.Credentials, base: Int) {
        self.context = context
        self.url = url
        self.base = base
        let configuration = context.core.configuration.ice
        self.driver = ExchangeDriver(
            TURNClient(
                id: context.id,
                credentials: credentials,
                family: context.server.family,
                configuration: TURNConfiguration(configuration, isStream: url.transport != .udp),
                random: SystemRandomNumberGenerator()
            ),
            on: context.core.eventLoop
        )
        self.silence = RelaySilence(patience: configuration.relaySilence)
        self.silenceAlarm = Alarm(on: context.core.eventLoop) { [unowned self] in self.checkSilence() }
    }

    /// Whether it talks to the server through the transport's own sockets.
    var usesSocket: Bool { self.url.transport == .udp }

    func start() {
        if self.usesSocket {
            guard let base = self.core.socketIndex(for: self.server.family) else { return self.fail(.unreachable) }
            self.path = .udp(base: base)
            self.begin()
        } else {
            self.connect()
        }
    }

    private func begin() {
        guard !self.isOver else { return }
        self.driver.start(with: .start) { [unowned self] in self.perform($0) }
    }

    private func connect() {
        let tls: TLSClientSession?
        do throws(DTLSError) {
            let authorities = self.core.configuration.turnCertificateAuthorities
            tls = self.url.transport == .tls ? try TLSClientSession(host: self.url.host, authorities: authorities) : nil
        } catch {
            return self.fail(.disconnected(error.description))
        }
        let stream = TURNStream(
            eventLoop: self.core.eventLoop,
            tls: tls,
            queueLimit: self.core.configuration.ice.maximumRelayQueue,
            onFrame: { [unowned self] in self.receive($0) },
            onEnd: { [unowned self] in self.fail(.disconnected($0)) }
        )
        self.path = .stream(stream)
        let bound = NIOLoopBound(self, eventLoop: self.core.eventLoop)
        stream.connect(to: self.server, timeout: self.core.configuration.ice.relayConnectTimeout)
            .whenComplete { result in
                switch result {
                case .success: bound.value.begin()
                case .failure(let error): bound.value.fail(.disconnected("\(error)"))
                }
            }
    }

    func networkChanged() {
        switch self.path {
        case .stream where !self.isSettled, nil: break
        default: self.driver.feed(.probe)
        }
    }

    func close() {
        guard !self.isOver else { return }
        self.driver.feed(.close)
        self.end()
    }

    // MARK: - Data

    /// Sends a datagram to a peer through the relay; until the server permits that peer, it waits.
    func send(_ datagram: UnsafeRawBufferPointer, to peer: TransportAddress) {
        guard !self.isOver else { return }
        switch self.driver.exchange.framing(to: peer) {
        case .channel(let number):
            self.noteSent()
            self.write(datagram, behind: Self.channelHeader(number, datagram.count), padded: !self.usesSocket)
        case .indication:
            self.noteSent()
            let header = self.driver.exchange.sendIndication(of: datagram.count, to: peer, nonce: self.random.next())
            self.write(datagram, behind: header, padded: true)
        case .blocked:
            guard self.waitingBytes + datagram.count <= self.core.configuration.ice.maximumRelayQueue,
                self.waiting.count < self.core.configuration.ice.maximumRelayedPeers
            else { return self.core.counters.unsentDatagrams += 1 }
            self.waiting.append((peer, Array(datagram)))
            self.waitingBytes += datagram.count
            self.driver.feed(.permit(peer))
        }
    }

    /// Data will flow to this peer: spare it the longer header.
    func prefer(_ peer: TransportAddress) {
        self.driver.feed(.bindChannel(peer))
    }

    func receiveChannelData(_ number: UInt16, _ payload: UnsafeRawBufferPointer) {
        guard let peer = self.driver.exchange.peer(ofChannel: number) else {
            return self.core.counters.droppedUnpermittedRelayData &+= 1
        }
        self.noteHeard()
        self.core.receiveRelayed(payload, from: peer, base: self.base)
    }

    func receive(_ decoder: STUNDecoder) {
        self.driver.feed(.message(decoder))
    }

    private func noteSent() {
        if self.silence.sent(at: .now()) { self.silenceAlarm?.follow(self.silence.deadline) }
    }

    private func noteHeard() {
        if self.silence.heard(at: .now()) { self.silenceAlarm?.follow(self.silence.deadline) }
    }

    /// Whether the server still has the allocation, it has to be asked: of data for one that it has lost, it says nothing.
    private func checkSilence() {
        guard !self.isOver else { return }
        if self.silence.mustAsk(at: .now()) {
            self.driver.feed(.probe)
            self.core.requestFlush()
        }
        if !self.isOver { self.silenceAlarm?.follow(self.silence.deadline) }
    }

    private func receive(_ frame: TURNStreamFramer.Frame) {
        switch frame {
        case .message(let bytes):
            guard let decoder = try? STUNDecoder(Array(bytes)) else {
                return self.core.counters.droppedMalformedSTUN &+= 1
            }
            self.driver.feed(.message(decoder))
        case .channelData(let number, let payload):
            payload.withUnsafeBytes { self.receiveChannelData(number, $0) }
        }
        self.core.requestFlush()
    }

    private static func channelHeader(_ number: UInt16, _ count: Int) -> [UInt8] {
        var header: [UInt8] = []
        header.reserveCapacity(4)
        header.append(bigEndian: number)
        header.append(bigEndian: UInt16(truncatingIfNeeded: count))
        return header
    }

    /// Sends a peer's datagram behind a header, padded to four bytes if need be. It is copied once: to where the socket or
    /// the stream takes it from.
    private func write(_ datagram: UnsafeRawBufferPointer, behind header: [UInt8], padded: Bool) {
        let padding = padded ? -datagram.count & 3 : 0
        switch self.path {
        case .udp(let base):
            header.withUnsafeBytes {
                self.core.sendToServer($0, datagram, padding: padding, self.server, base: base)
            }
        case .stream, nil:
            var bytes = header
            bytes.reserveCapacity(header.count + datagram.count + padding)
            bytes.append(contentsOf: datagram)
            bytes.append(contentsOf: repeatElement(0, count: padding))
            self.write(bytes)
        }
    }

    private func write(_ bytes: [UInt8]) {
        switch self.path {
        case .udp(let base): self.core.sendToServer(bytes, self.server, base: base)
        case .stream(let stream): if !stream.write(bytes) { self.core.counters.unsentDatagrams += 1 }
        case nil: break
        }
    }

    // MARK: - The client

    private func perform(_ output: TURNClient.Output) {
        switch output {
        case .send(let bytes): self.write(bytes)
        case .allocated(let relayed, let mapped): self.allocated(relayed, mapped)
        case .permitted(let host): self.release(host)
        case .denied(let host): self.forget(host)
        case .data(let data, let peer):
            self.noteHeard()
            data.withUnsafeBytes { self.core.receiveRelayed($0, from: peer, base: self.base) }
        case .discarded: self.core.counters.droppedUnpermittedRelayData &+= 1
        case .redirected(let server):
            self.end()
            self.context.onEvent(.redirected(server))
        case .failed(let error): self.fail(error)
        }
    }

    private func allocated(_ relayed: TransportAddress, _ mapped: TransportAddress?) {
        self.isSettled = true
        // The server has told for free what a STUN server would have.
        if let mapped, case .udp(let base) = self.path,
            let gathered = self.core.reflexiveCandidate(mapped, base: base, preference: self.context.preference)
        {
            self.candidates.append(gathered)
            self.context.onEvent(.found(gathered))
        }
        let candidate = ICECandidate(
            foundation: "r\(self.base)",
            priority: ICECandidate.priority(type: .relayed, localPreference: self.context.preference),
            address: relayed,
            type: .relayed,
            relatedAddress: mapped
        )
        let gathered = GatheredCandidate(candidate: candidate, base: self.base)
        self.candidates.append(gathered)
        self.context.onEvent(.found(gathered))
        self.context.onEvent(.changed)
    }

    private func release(_ host: TransportAddress) {
        let ready = self.waiting.filter { $0.peer.with(port: 0) == host }
        self.forget(host)
        for (peer, datagram) in ready { datagram.withUnsafeBytes { self.send($0, to: peer) } }
    }

    private func forget(_ host: TransportAddress) {
        self.waiting.removeAll { $0.peer.with(port: 0) == host }
        self.waitingBytes = self.waiting.reduce(0) { $0 + $1.datagram.count }
    }

    private func fail(_ error: TURNError) {
        guard !self.isOver else { return }
        self.end()
        self.context.onEvent(.lost(base: self.base, error))
    }

    private func end() {
        self.isOver = true
        self.isSettled = true
        self.candidates = []
        self.waiting = []
        self.driver.stop()
        self.silenceAlarm?.cancel()
        if case .stream(let stream) = self.path {
            // What was written last, the end of the allocation, still leaves.
            self.core.eventLoop.assumeIsolated().execute { stream.close() }
        }
    }
}
