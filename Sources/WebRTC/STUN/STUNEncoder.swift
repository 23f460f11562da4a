extension STUNMessage {
    /// The message as a datagram, with MESSAGE-INTEGRITY (when a password is given) and FINGERPRINT.
    func encoded(password: String?) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(128)
        bytes.append(bigEndian: self.typeField)
        bytes.append(bigEndian: UInt16(0))
        bytes.append(bigEndian: Self.magicCookie)
        bytes.append(bigEndian: self.transactionID.connection)
        bytes.append(bigEndian: self.transactionID.nonce)
        if let username { bytes.append(attribute: STUNAttribute.username, Array(username.utf8)) }
        if let errorCode { bytes.append(attribute: STUNAttribute.errorCode, Self.errorValue(errorCode)) }
        if let mappedAddress {
            bytes.append(attribute: STUNAttribute.xorMappedAddress, self.xorValue(of: mappedAddress))
        }
        if let priority { bytes.append(attribute: STUNAttribute.priority, priority) }
        if self.useCandidate { bytes.append(attribute: STUNAttribute.useCandidate, []) }
        if let controlling { bytes.append(attribute: STUNAttribute.controlling, controlling) }
        if let controlled { bytes.append(attribute: STUNAttribute.controlled, controlled) }
        if !self.unknownRequired.isEmpty {
            var value: [UInt8] = []
            for type in self.unknownRequired { value.append(bigEndian: type) }
            bytes.append(attribute: STUNAttribute.unknownAttributes, value)
        }
        if let password {
            // The length field counts the attribute being added (RFC 8489 section 14.5).
            bytes.setUInt16(UInt16(truncatingIfNeeded: bytes.count - 20 + 24), at: 2)
            let code = HMACSHA1.code(for: bytes, key: Array(password.utf8))
            bytes.append(attribute: STUNAttribute.messageIntegrity, code)
        }
        bytes.setUInt16(UInt16(truncatingIfNeeded: bytes.count - 20 + 8), at: 2)
        bytes.append(attribute: STUNAttribute.fingerprint, CRC32.checksum(bytes[...]) ^ 0x5354_554E)
        return bytes
    }

    private var typeField: UInt16 {
        let method =
            (self.method & 0x000F) | ((self.method & 0x0070) << 1) | ((self.method & 0x0F80) << 2)
        return method | self.messageClass.rawValue
    }

    private func xorValue(of address: TransportAddress) -> [UInt8] {
        var value: [UInt8] = [0, address.family == .ipv4 ? 1 : 2]
        value.append(bigEndian: address.port ^ UInt16(Self.magicCookie >> 16))
        switch address.family {
        case .ipv4:
            value.append(bigEndian: UInt32(truncatingIfNeeded: address.low) ^ Self.magicCookie)
        case .ipv6:
            let mask = UInt64(Self.magicCookie) << 32 | UInt64(self.transactionID.connection)
            value.append(bigEndian: address.high ^ mask)
            value.append(bigEndian: address.low ^ self.transactionID.nonce)
        }
        return value
    }

    private static func errorValue(_ code: Int) -> [UInt8] {
        [0, 0, UInt8(truncatingIfNeeded: code / 100), UInt8(truncatingIfNeeded: code % 100)]
    }
}

extension [UInt8] {
    fileprivate mutating func append(attribute: UInt16, _ value: [UInt8]) {
        self.append(bigEndian: attribute)
        self.append(bigEndian: UInt16(truncatingIfNeeded: value.count))
        self.append(contentsOf: value)
        while self.count % 4 != 0 { self.append(0) }
    }

    fileprivate mutating func append(attribute: UInt16, _ value: some FixedWidthInteger) {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: value)
        self.append(attribute: attribute, bytes)
    }
}
