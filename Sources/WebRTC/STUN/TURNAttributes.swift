// Reading and writing what TURN adds to STUN (RFC 8656 section 18).
extension TURNAttributes {
    /// More peers than this client ever names in one request.
    static let maximumPeerAddresses = 64
    /// RFC 8489 sections 14.9 and 14.10.
    private static let maximumTextSize = 763

    /// Takes an attribute of TURN. False when it is none.
    mutating func apply(
        _ attribute: UInt16,
        _ bytes: ArraySlice<UInt8>,
        _ id: STUNTransactionID
    ) throws(STUNError) -> Bool {
        func expect(_ condition: Bool) throws(STUNError) {
            guard condition else { throw .badAttribute(attribute) }
        }
        switch attribute {
        case STUNAttribute.realm:
            guard bytes.count <= Self.maximumTextSize, let realm = String(validating: bytes, as: UTF8.self) else {
                throw .badAttribute(attribute)
            }
            self.realm = realm
        case STUNAttribute.nonce:
            try expect(bytes.count <= Self.maximumTextSize)
            self.nonce = Array(bytes)
        case STUNAttribute.lifetime:
            try expect(bytes.count == 4)
            self.lifetime = bytes.uint32(at: 0)
        case STUNAttribute.xorRelayedAddress:
            self.relayedAddress = TransportAddress(xorBytes: bytes, id)
            try expect(self.relayedAddress != nil)
        case STUNAttribute.xorPeerAddress:
            guard self.peerAddresses.count < Self.maximumPeerAddresses,
                let address = TransportAddress(xorBytes: bytes, id)
            else { throw .badAttribute(attribute) }
            self.peerAddresses.append(address)
        case STUNAttribute.alternateServer:
            self.alternateServer = TransportAddress(stunBytes: bytes)
            try expect(self.alternateServer != nil)
        case STUNAttribute.data:
            self.data = bytes
        case STUNAttribute.channelNumber:
            try expect(bytes.count == 4)
            self.channelNumber = bytes.uint16(at: 0)
        case STUNAttribute.requestedTransport:
            try expect(bytes.count == 4)
            self.requestsUDP = bytes.first == 17
        case STUNAttribute.requestedAddressFamily:
            try expect(bytes.count == 4)
            self.requestedFamily = bytes.first == 1 ? .ipv4 : bytes.first == 2 ? .ipv6 : nil
        default:
            return false
        }
        return true
    }

    /// Appends the attributes that are set.
    func append(to bytes: inout [UInt8], _ id: STUNTransactionID) {
        if let realm { bytes.append(attribute: STUNAttribute.realm, Array(realm.utf8)) }
        if let nonce { bytes.append(attribute: STUNAttribute.nonce, nonce) }
        if self.requestsUDP { bytes.append(attribute: STUNAttribute.requestedTransport, [17, 0, 0, 0]) }
        if let requestedFamily {
            let value: [UInt8] = [requestedFamily == .ipv4 ? 1 : 2, 0, 0, 0]
            bytes.append(attribute: STUNAttribute.requestedAddressFamily, value)
        }
        if let lifetime { bytes.append(attribute: STUNAttribute.lifetime, lifetime) }
        if let channelNumber { bytes.append(attribute: STUNAttribute.channelNumber, UInt32(channelNumber) << 16) }
        if let relayedAddress {
            bytes.append(attribute: STUNAttribute.xorRelayedAddress, relayedAddress.xorBytes(id))
        }
        if let alternateServer { bytes.append(attribute: STUNAttribute.alternateServer, alternateServer.stunBytes) }
        for address in self.peerAddresses {
            bytes.append(attribute: STUNAttribute.xorPeerAddress, address.xorBytes(id))
        }
        if let data { bytes.append(attribute: STUNAttribute.data, Array(data)) }
    }
}
