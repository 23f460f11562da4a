/// A received STUN message together with what is needed to check its integrity afterwards: the key is known only
/// once the message has been read (its USERNAME or transaction tells whose password counts).
struct STUNDecoder {
    let message: STUNMessage
    private let bytes: [UInt8]
    /// Length of the datagram.
    var byteCount: Int { self.bytes.count }
    private let integrityOffset: Int?

    /// Decodes one datagram. Attributes after MESSAGE-INTEGRITY other than FINGERPRINT are ignored, as RFC 8489
    /// section 14.5 demands: they are not protected.
    init(_ bytes: [UInt8]) throws(STUNError) {
        guard bytes.count >= 20 else { throw .truncated }
        let type = bytes.uint16(at: 0)
        guard type & 0xC000 == 0, bytes.uint32(at: 4) == STUNMessage.magicCookie else { throw .notSTUN }
        guard Int(bytes.uint16(at: 2)) == bytes.count - 20, bytes.count % 4 == 0 else { throw .badLength }
        guard let messageClass = STUNMessage.Class(rawValue: type & 0x0110) else { throw .notSTUN }
        let method = (type & 0x000F) | ((type & 0x00E0) >> 1) | ((type & 0x3E00) >> 2)
        var message = STUNMessage(
            messageClass: messageClass,
            method: method,
            transactionID: STUNTransactionID(connection: bytes.uint32(at: 8), nonce: bytes.uint64(at: 12))
        )
        var integrityOffset: Int?
        var offset = 20
        while offset < bytes.count {
            guard bytes.count - offset >= 4 else { throw .badLength }
            let attribute = bytes.uint16(at: offset)
            let length = Int(bytes.uint16(at: offset + 2))
            let value = offset + 4
            guard bytes.count - value >= length else { throw .badAttribute(attribute) }
            if attribute == STUNAttribute.fingerprint {
                guard length == 4, value + 4 == bytes.count else { throw .badFingerprint }
                let crc = CRC32.checksum(bytes[..<offset]) ^ 0x5354_554E
                guard crc == bytes.uint32(at: value) else { throw .badFingerprint }
            } else if integrityOffset == nil {
                if attribute == STUNAttribute.messageIntegrity {
                    guard length == 20 else { throw .badAttribute(attribute) }
                    integrityOffset = offset
                } else {
                    try Self.apply(attribute, bytes[value..<(value + length)], to: &message)
                }
            }
            offset = value + (length + 3) & ~3
        }
        self.message = message
        self.bytes = bytes
        self.integrityOffset = integrityOffset
    }

    /// Whether the message carries a MESSAGE-INTEGRITY made with this short-term password.
    func isAuthentic(password: String) -> Bool { self.isAuthentic(key: Array(password.utf8)) }

    /// Whether the message carries a MESSAGE-INTEGRITY made with this key. An empty key makes nothing authentic.
    func isAuthentic(key: [UInt8]) -> Bool {
        guard !key.isEmpty, let offset = self.integrityOffset else { return false }
        var covered = Array(self.bytes[..<offset])
        covered.setUInt16(UInt16(truncatingIfNeeded: offset + 24 - 20), at: 2)
        let expected = HMACSHA1.code(for: covered, key: key)
        let received = self.bytes[(offset + 4)..<(offset + 24)]
        // No early exit: the time must not tell how many bytes matched.
        return expected.count == 20 && zip(expected, received).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func apply(
        _ attribute: UInt16,
        _ value: ArraySlice<UInt8>,
        to message: inout STUNMessage
    ) throws(STUNError) {
        func expect(_ count: Int) throws(STUNError) {
            guard value.count == count else { throw .badAttribute(attribute) }
        }
        switch attribute {
        case STUNAttribute.username:
            guard value.count <= 513, let username = String(validating: value, as: UTF8.self) else {
                throw .badAttribute(attribute)
            }
            message.username = username
        case STUNAttribute.priority:
            try expect(4)
            message.priority = value.uint32(at: 0)
        case STUNAttribute.useCandidate:
            try expect(0)
            message.useCandidate = true
        case STUNAttribute.controlling:
            try expect(8)
            message.controlling = value.uint64(at: 0)
        case STUNAttribute.controlled:
            try expect(8)
            message.controlled = value.uint64(at: 0)
        case STUNAttribute.xorMappedAddress:
            guard let address = TransportAddress(xorBytes: value, message.transactionID) else {
                throw .badAttribute(attribute)
            }
            message.mappedAddress = address
        case STUNAttribute.errorCode:
            guard value.count >= 4 else { throw .badAttribute(attribute) }
            message.errorCode = Int(value.uint16(at: 2) >> 8 & 7) * 100 + Int(value.uint16(at: 2) & 0xFF)
        case STUNAttribute.mappedAddress, STUNAttribute.unknownAttributes, STUNAttribute.messageIntegritySHA256:
            break
        default:
            if try message.turn.apply(attribute, value, message.transactionID) { break }
            if attribute < 0x8000, message.unknownRequired.count < 16 { message.unknownRequired.append(attribute) }
        }
    }
}

// Offsets are from the beginning, also of a slice.
extension RandomAccessCollection<UInt8> where Index == Int {
    func uint16(at offset: Int) -> UInt16 {
        UInt16(self[self.startIndex + offset]) << 8 | UInt16(self[self.startIndex + offset + 1])
    }

    func uint32(at offset: Int) -> UInt32 {
        UInt32(self.uint16(at: offset)) << 16 | UInt32(self.uint16(at: offset + 2))
    }

    func uint64(at offset: Int) -> UInt64 {
        UInt64(self.uint32(at: offset)) << 32 | UInt64(self.uint32(at: offset + 4))
    }
}

extension [UInt8] {
    mutating func setUInt16(_ value: UInt16, at offset: Int) {
        self[offset] = UInt8(truncatingIfNeeded: value >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: value)
    }

    mutating func append<Value: FixedWidthInteger>(bigEndian value: Value) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self.append(contentsOf: $0) }
    }
}
