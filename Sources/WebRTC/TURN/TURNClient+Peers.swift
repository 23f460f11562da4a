import NIOCore

// Whom the relay serves: permissions and channels (RFC 8656 sections 9 to 12).
extension TURNClient {
    /// How a datagram to this peer must be wrapped. Using a permission is what keeps it alive.
    mutating func framing(to peer: TransportAddress) -> Framing {
        guard self.state == .allocated else { return .blocked }
        let host = peer.with(port: 0)
        guard self.permissions[host]?.state == .granted else { return .blocked }
        self.permissions[host]?.isUsed = true
        return self.channels.use(peer).map { .channel($0) } ?? .indication
    }

    /// Whose data it is that comes on a channel; nil when nobody's, or when the server has not confirmed the channel.
    func peer(ofChannel number: UInt16) -> TransportAddress? {
        self.channels.peer(of: number)
    }

    /// What goes before the payload in a Send indication (RFC 8656 section 11.1): no integrity, no answer. Behind the
    /// payload there is padding to a multiple of four.
    func sendIndication(of count: Int, to peer: TransportAddress, nonce: UInt64) -> [UInt8] {
        let id = STUNTransactionID(connection: self.id, nonce: nonce)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(56)
        bytes.append(bigEndian: UInt16(0x0016))
        bytes.append(bigEndian: UInt16(0))
        bytes.append(bigEndian: STUNMessage.magicCookie)
        bytes.append(bigEndian: id.connection)
        bytes.append(bigEndian: id.nonce)
        bytes.append(attribute: STUNAttribute.xorPeerAddress, peer.xorBytes(id))
        bytes.append(bigEndian: STUNAttribute.data)
        bytes.append(bigEndian: UInt16(truncatingIfNeeded: count))
        bytes.setUInt16(UInt16(truncatingIfNeeded: bytes.count - 20 + (count + 3) & ~3), at: 2)
        return bytes
    }

    mutating func receiveIndication(_ message: STUNMessage) {
        guard message.method == STUNMessage.dataMethod, let peer = message.turn.peerAddresses.first,
            let data = message.turn.data, self.permissions[peer.with(port: 0)]?.state == .granted
        else { return self.emit(.discarded) }
        self.emit(.data(data, from: peer))
    }

    // MARK: - Permissions

    mutating func permit(_ peer: TransportAddress, at now: NIODeadline) {
        let host = peer.with(port: 0)
        guard self.state == .allocated else { return }
        // A relay sends within its own IP version only.
        guard self.permissions[host] == nil, self.permissions.count < self.configuration.maximumPeers,
            host.family == self.relayedAddress?.family
        else { return }
        self.permissions[host] = Permission(state: .requested, renewAt: .distantFuture)
        self.request(.permissions([host]), at: now)
    }

    mutating func permissionsGranted(_ hosts: [TransportAddress], at now: NIODeadline) {
        for host in hosts where self.permissions[host] != nil {
            let isNew = self.permissions[host]?.state != .granted
            self.permissions[host]?.state = .granted
            let renewAt = now + self.configuration.permissionRenewal
            self.permissions[host]?.renewAt = renewAt
            if isNew { self.emit(.permitted(host)) }
        }
    }

    mutating func permissionsFailed(_ hosts: [TransportAddress], _ error: TURNError, at now: NIODeadline) {
        if error == .mismatch || error == .unauthorized { return self.lose(error, at: now) }
        if hosts.count > 1 {
            // One of several was refused: ask one by one which.
            for host in hosts { self.request(.permissions([host]), at: now) }
            return
        }
        for host in hosts where self.permissions[host] != nil {
            self.permissions[host]?.state = .denied
            let renewAt = now + self.configuration.denialTime
            self.permissions[host]?.renewAt = renewAt
            self.emit(.denied(host))
        }
    }

    mutating func renewPermissions(at now: NIODeadline) {
        var due: [TransportAddress] = []
        for (host, permission) in self.permissions where permission.renewAt <= now {
            if permission.state == .granted, permission.isUsed {
                due.append(host)
                self.permissions[host]?.isUsed = false
                // The answer decides; should it be lost and all its repetitions, asking again is all that is left.
                let renewAt = now + self.configuration.permissionRenewal
                self.permissions[host]?.renewAt = renewAt
            } else {
                self.permissions[host] = nil
            }
        }
        while !due.isEmpty {
            self.request(.permissions(Array(due.prefix(TURNConfiguration.peersPerRequest))), at: now)
            due.removeFirst(min(due.count, TURNConfiguration.peersPerRequest))
        }
    }

    // MARK: - Channels

    mutating func bindChannel(_ peer: TransportAddress, at now: NIODeadline) {
        guard self.state == .allocated, self.channels[peer] == nil,
            self.channels.count < self.configuration.maximumPeers, peer.family == self.relayedAddress?.family,
            self.channels.add(peer, at: now)
        else { return }
        self.permit(peer, at: now)
        self.request(.channel(peer), at: now)
    }

    mutating func channelBound(_ peer: TransportAddress, at now: NIODeadline) {
        self.channels.bound(peer, renewAt: now + self.configuration.channelRenewal)
        // Binding a channel grants the permission too.
        self.permissionsGranted([peer.with(port: 0)], at: now)
    }

    mutating func channelFailed(_ peer: TransportAddress, _ error: TURNError, at now: NIODeadline) {
        if error == .mismatch || error == .unauthorized { return self.lose(error, at: now) }
        self.channels.retire(peer, at: now)
    }

    mutating func renewChannels(at now: NIODeadline) {
        let renewAt = now + self.configuration.channelRenewal
        for peer in self.channels.takeDue(at: now, renewAt: renewAt) { self.request(.channel(peer), at: now) }
    }

    private mutating func lose(_ error: TURNError, at now: NIODeadline) {
        let transaction = Transaction(
            kind: .refresh,
            bytes: [],
            nextAt: now,
            isAuthenticated: true
        )
        self.failRequest(transaction, error, at: now)
    }
}
