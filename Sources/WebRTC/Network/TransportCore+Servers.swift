import NIOCore

// What STUN and TURN servers, and changes of the host's addresses, have to do with the sockets.
extension TransportCore {
    func socketIndex(for family: TransportAddress.Family) -> Int? {
        self.sockets.firstIndex { $0.family == family }
    }

    func addNetworkObserver(_ handler: @escaping (NetworkChange) -> Void) -> () -> Void {
        let number = (self.host.observers.keys.max() ?? 0) + 1
        self.host.observers[number] = handler
        return { [weak self] in self?.host.observers[number] = nil }
    }

    // MARK: - Sending

    /// Adds a datagram to what leaves with the tick: by a socket, or through the relay that `base` stands for.
    func send(_ datagram: UnsafeRawBufferPointer, to address: TransportAddress, base: Int) {
        if base < self.sockets.count {
            self.sockets[base].append(datagram, to: address)
        } else {
            self.servers.relay(base: base)?.send(datagram, to: address)
        }
    }

    func sendToServer(_ bytes: [UInt8], _ server: TransportAddress, base: Int) {
        bytes.withUnsafeBytes { self.sockets[base].append($0, to: server) }
        self.requestFlush()
    }

    /// The same, of a header and a peer's datagram.
    func sendToServer(
        _ header: UnsafeRawBufferPointer,
        _ datagram: UnsafeRawBufferPointer,
        padding: Int,
        _ server: TransportAddress,
        base: Int
    ) {
        self.sockets[base].append(datagram, behind: header, padding: padding, to: server)
        self.requestFlush()
    }

    // MARK: - Receiving

    /// Channel data comes from the server that has the channel, and from nobody else.
    func receiveChannelData(_ datagram: UnsafeRawBufferPointer, from source: TransportAddress, base: Int) {
        guard base < self.sockets.count, let relay = self.servers.relay(at: source), let data = ChannelData(datagram)
        else { return self.counters.droppedUnpermittedRelayData &+= 1 }
        relay.receiveChannelData(data.number, data.payload)
    }

    // MARK: - Candidates

    /// A candidate for the address that a server sees; nil where there is no NAT between, so that it is a host candidate.
    func reflexiveCandidate(_ address: TransportAddress, base: Int, preference: UInt16) -> GatheredCandidate? {
        guard !self.host.candidates.contains(where: { $0.candidate.address == address }) else { return nil }
        let related = self.host.candidates.first { $0.base == base }?.candidate.address
        let candidate = ICECandidate(
            foundation: "s\(base)",
            priority: ICECandidate.priority(type: .serverReflexive, localPreference: preference),
            address: address,
            type: .serverReflexive,
            relatedAddress: related ?? address
        )
        return GatheredCandidate(candidate: candidate, base: base)
    }
}
