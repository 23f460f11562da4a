/// The 96 bits that tie a STUN response to its request (RFC 8489 section 5).
///
/// The first 32 bits name the connection that sent the request, so that a response finds it among all that share the
/// port; the other 64 are random, which an off-path sender cannot guess.
struct STUNTransactionID: Hashable, Sendable {
    var connection: UInt32
    var nonce: UInt64
}

/// A STUN message (RFC 8489), decoded as far as ICE (RFC 8445 section 16) and TURN (RFC 8656)
/// need it.
struct STUNMessage: Equatable, Sendable {
    enum Class: UInt16, Sendable {
        case request = 0x000
        case indication = 0x010
        case success = 0x100
        case error = 0x110
    }

    static let bindingMethod: UInt16 = 0x001
    /// Methods of TURN (RFC 8656 section 17).
    static let allocateMethod: UInt16 = 0x003
    static let refreshMethod: UInt16 = 0x004
    static let sendMethod: UInt16 = 0x006
    static let dataMethod: UInt16 = 0x007
    static let createPermissionMethod: UInt16 = 0x008
    static let channelBindMethod: UInt16 = 0x009
    static let magicCookie: UInt32 = 0x2112_A442

    var messageClass: Class
    var method: UInt16 = STUNMessage.bindingMethod
    var transactionID: STUNTransactionID
    var username: String?
    var priority: UInt32?
    var useCandidate = false
    /// The tie-breaker of a sender in the controlling role.
    var controlling: UInt64?
    /// The tie-breaker of a sender in the controlled role.
    var controlled: UInt64?
    var mappedAddress: TransportAddress?
    var errorCode: Int?
    /// Types from the comprehension-required range that this decoder does not know.
    var unknownRequired: [UInt16] = []
    /// What only TURN has.
    var turn = TURNAttributes()
}

/// The attributes of TURN (RFC 8656 section 18) and of long-term credentials (RFC 8489 section 9.2).
struct TURNAttributes: Equatable, Sendable {
    var realm: String?
    /// Up to 763 bytes that only the server understands.
    var nonce: [UInt8]?
    var lifetime: UInt32?
    var relayedAddress: TransportAddress?
    var peerAddresses: [TransportAddress] = []
    /// A part of the message that it came in, which is not copied.
    var data: ArraySlice<UInt8>?
    var channelNumber: UInt16?
    var alternateServer: TransportAddress?
    /// Asks for a relay of UDP, the only kind there is here.
    var requestsUDP = false
    /// The IP version asked for; absent means IPv4.
    var requestedFamily: TransportAddress.Family?
}

/// Why a datagram is not a usable STUN message.
enum STUNError: Error, Equatable {
    case truncated
    case notSTUN
    case badLength
    case badAttribute(UInt16)
    case badFingerprint
}

/// Attribute types (RFC 8489 section 18.3, RFC 8445 section 16.1).
enum STUNAttribute {
    static let mappedAddress: UInt16 = 0x0001
    static let username: UInt16 = 0x0006
    static let messageIntegrity: UInt16 = 0x0008
    static let errorCode: UInt16 = 0x0009
    static let channelNumber: UInt16 = 0x000C
    static let lifetime: UInt16 = 0x000D
    static let xorPeerAddress: UInt16 = 0x0012
    static let data: UInt16 = 0x0013
    static let xorRelayedAddress: UInt16 = 0x0016
    static let requestedAddressFamily: UInt16 = 0x0017
    static let requestedTransport: UInt16 = 0x0019
    static let alternateServer: UInt16 = 0x8023
    static let unknownAttributes: UInt16 = 0x000A
    static let realm: UInt16 = 0x0014
    static let nonce: UInt16 = 0x0015
    static let xorMappedAddress: UInt16 = 0x0020
    static let priority: UInt16 = 0x0024
    static let useCandidate: UInt16 = 0x0025
    static let messageIntegritySHA256: UInt16 = 0x001C
    static let software: UInt16 = 0x8022
    static let fingerprint: UInt16 = 0x8028
    static let controlled: UInt16 = 0x8029
    static let controlling: UInt16 = 0x802A
}
