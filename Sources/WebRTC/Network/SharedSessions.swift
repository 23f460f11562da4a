/// Tells DTLS sessions apart that share both addresses, as when several connections join the same two transports.
///
/// Nothing in a record of DTLS 1.2 names its session. But a sender that counts the explicit nonce of AES-GCM up from a
/// random number, as OpenSSL does, has a nonce of its own in every session: its upper part stays the same for sixteen
/// million records. Whose it is, is learnt when a record has decrypted, and only a hint: what it leads to still has to
/// decrypt. Records of other senders are found by trying one session after the other.
final class SharedSessions {
    private struct Key: Hashable {
        var address: TransportAddress
        var nonce: UInt64
    }

    private var connections: [Key: PeerConnection] = [:]
    /// The keys of each connection, the newest last.
    private var keys: [UInt32: [Key]] = [:]
    /// How often sessions had to be tried one after the other.
    private(set) var searches: UInt64 = 0

    /// A sender restarts its count at most once per handshake; one key more for datagrams that overtake each other.
    private static let keysPerConnection = 2

    /// The upper part of the explicit nonce of an encrypted record; nil for one in the clear, or too short.
    private static func nonce(_ datagram: UnsafeRawBufferPointer) -> UInt64? {
        guard datagram.count >= 21, datagram[3] != 0 || datagram[4] != 0 else { return nil }
        return datagram[13..<18].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Gives an encrypted datagram to the connection whose it is. False when it is nobody's.
    func deliver(
        _ datagram: UnsafeRawBufferPointer,
        from address: TransportAddress,
        among route: [PeerConnection]
    ) -> Bool {
        let key = Self.nonce(datagram).map { Key(address: address, nonce: $0) }
        let known = key.flatMap { self.connections[$0] }
        if let known, known.receiveDTLS(datagram) { return true }
        self.searches &+= 1
        if let owner = route.first(where: { $0 !== known && $0.isSecure && $0.receiveDTLS(datagram) }) {
            if let key { self.learn(key, owner) }
            return true
        }
        // The end of a handshake: of those under way, the one that it does not belong to drops it.
        var isTaken = false
        for connection in route where !connection.isSecure {
            if connection.receiveDTLS(datagram) { isTaken = true }
        }
        return isTaken
    }

    func forget(_ connection: PeerConnection) {
        for key in self.keys.removeValue(forKey: connection.id) ?? [] where self.connections[key] === connection {
            self.connections[key] = nil
        }
    }

    private func learn(_ key: Key, _ owner: PeerConnection) {
        self.connections[key] = owner
        var known = self.keys[owner.id] ?? []
        known.removeAll { $0 == key }
        known.append(key)
        if known.count > Self.keysPerConnection {
            let oldest = known.removeFirst()
            if self.connections[oldest] === owner { self.connections[oldest] = nil }
        }
        self.keys[owner.id] = known
    }
}
