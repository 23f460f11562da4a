extension STUNMessage {
    /// The message as a datagram, with MESSAGE-INTEGRITY (when a password is given) and FINGERPRINT.
    func encoded(password: String?) -> [UInt8] { self.encoded(key: password.map { Array($0.utf8) }) }

    /// The message as a datagram, with MESSAGE-INTEGRITY (when a key is given) and FINGERPRINT.
    func encoded(key: [UInt8]?) -> [UInt8] {
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
            bytes.append(attribute: STUNAttribute.xorMappedAddress, mappedAddress.xorBytes(self.transactionID))
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
        self.turn.append(to: &bytes, self.transactionID)
        if let key {
            // The length field counts the attribute being added (RFC 8489 section 14.5).
            bytes.setUInt16(UInt16(truncatingIfNeeded: bytes.count - 20 + 24), at: 2)
            let code = HMACSHA1.code(for: bytes, key: key)
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

    private static func errorValue(_ code: Int) -> [UInt8] {
        [0, 0, UInt8(truncatingIfNeeded: code / 100), UInt8(truncatingIfNeeded: code % 100)]
    }
}

extension [UInt8] {
    mutating func append(attribute: UInt16, _ value: [UInt8]) {
        self.append(bigEndian: attribute)
        self.append(bigEndian: UInt16(truncatingIfNeeded: value.count))
        self.append(contentsOf: value)
        while self.count % 4 != 0 { self.append(0) }
    }

    mutating func append(attribute: UInt16, _ value: some FixedWidthInteger) {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: value)
        self.append(attribute: attribute, bytes)
    }
}
