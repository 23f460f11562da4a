// The XOR-ed form of addresses (RFC 8489 section 14.2), which keeps NATs that rewrite payloads away from them.
extension TransportAddress {
    /// Nil unless it is an IPv4 or IPv6 address of the right length.
    init?(xorBytes bytes: ArraySlice<UInt8>, _ id: STUNTransactionID) {
        guard let address = TransportAddress(stunBytes: bytes) else { return nil }
        self = address.xored(id)
    }

    func xorBytes(_ id: STUNTransactionID) -> [UInt8] { self.xored(id).stunBytes }

    /// The plain form (RFC 8489 section 14.1).
    init?(stunBytes bytes: ArraySlice<UInt8>) {
        guard bytes.count >= 8 else { return nil }
        let port = bytes.uint16(at: 2)
        switch (bytes.uint16(at: 0) & 0xFF, bytes.count) {
        case (1, 8): self.init(ipv4: bytes.uint32(at: 4), port: port)
        case (2, 20): self.init(high: bytes.uint64(at: 4), low: bytes.uint64(at: 12), port: port)
        default: return nil
        }
    }

    var stunBytes: [UInt8] {
        var bytes: [UInt8] = [0, self.family == .ipv4 ? 1 : 2]
        bytes.append(bigEndian: self.port)
        switch self.family {
        case .ipv4:
            bytes.append(bigEndian: UInt32(truncatingIfNeeded: self.low))
        case .ipv6:
            bytes.append(bigEndian: self.high)
            bytes.append(bigEndian: self.low)
        }
        return bytes
    }

    private func xored(_ id: STUNTransactionID) -> TransportAddress {
        let port = self.port ^ UInt16(STUNMessage.magicCookie >> 16)
        switch self.family {
        case .ipv4:
            return TransportAddress(ipv4: UInt32(truncatingIfNeeded: self.low) ^ STUNMessage.magicCookie, port: port)
        case .ipv6:
            let mask = UInt64(STUNMessage.magicCookie) << 32 | UInt64(id.connection)
            return TransportAddress(high: self.high ^ mask, low: self.low ^ id.nonce, port: port)
        }
    }
}
