@testable import WebRTC

/// As much of a TURN server (RFC 8656) as the client's tests need, without time or sockets: give it what the client sent,
/// get what it answers.
struct TURNTestServer {
    static let relayed = TransportAddress(ipv4: 0xCB00_7101, port: 50_000)
    static let mapped = TransportAddress(ipv4: 0xCB00_7109, port: 4_000)

    var username = "user"
    var password = "secret"
    var realm = "example.org"
    var nonce = Array("nonce-1".utf8)
    /// Answers Allocate with this error and no allocation.
    var refusal: Int?
    var alternate: TransportAddress?
    var supportsIPv6 = true
    var forbidden: Set<TransportAddress> = []
    var lifetime: UInt32 = 600
    /// Answers without MESSAGE-INTEGRITY, as somebody would who does not know the password.
    var omitsIntegrity = false
    var isDead = false
    var isAlwaysStale = false
    /// Whether it says 438 to a nonce that it does not know, or 401.
    var saysStale = true

    private(set) var hasAllocation = false
    private(set) var permissions: [TransportAddress] = []
    private(set) var channels: [UInt16: TransportAddress] = [:]
    private(set) var requests: [UInt16] = []
    private(set) var relayedData: [(peer: TransportAddress, data: [UInt8])] = []

    mutating func forgetAllocation() { self.hasAllocation = false }

    /// As after a restart of the process: nothing is known any more, and nonces are others.
    mutating func restart(realm: String) {
        self.hasAllocation = false
        self.permissions = []
        self.channels = [:]
        self.realm = realm
        self.nonce = Array("nonce of \(realm)".utf8)
    }

    private var key: [UInt8] {
        LongTermKey.key(username: self.username, realm: self.realm, password: self.password)
    }

    mutating func answer(_ bytes: [UInt8]) -> [UInt8]? {
        guard !self.isDead, let decoder = try? STUNDecoder(bytes) else { return nil }
        let message = decoder.message
        if message.messageClass == .indication {
            if let peer = message.turn.peerAddresses.first, let data = message.turn.data {
                self.relayedData.append((peer, Array(data)))
            }
            return nil
        }
        self.requests.append(message.method)
        guard message.username != nil else { return self.error(401, message, withNonce: true) }
        guard decoder.isAuthentic(key: self.key) || message.turn.realm != self.realm else {
            return self.error(401, message, withNonce: true)
        }
        if self.isAlwaysStale { self.nonce.append(1) }
        guard message.turn.nonce == self.nonce else {
            return self.error(self.saysStale ? 438 : 401, message, withNonce: true)
        }
        return self.answerAuthentic(message)
    }

    private mutating func answerAuthentic(_ message: STUNMessage) -> [UInt8] {
        var response = self.response(to: message)
        switch message.method {
        case STUNMessage.allocateMethod:
            if let alternate {
                var redirection = self.response(to: message)
                redirection.messageClass = .error
                redirection.errorCode = 300
                redirection.turn.alternateServer = alternate
                return redirection.encoded(key: self.key)
            }
            if message.turn.requestedFamily == .ipv6, !self.supportsIPv6 { return self.error(440, message) }
            if let refusal { return self.error(refusal, message) }
            guard message.turn.requestsUDP else { return self.error(442, message) }
            guard !self.hasAllocation else { return self.error(437, message) }
            self.hasAllocation = true
            response.turn.relayedAddress = Self.relayed
            response.turn.lifetime = self.lifetime
            response.mappedAddress = Self.mapped
        case STUNMessage.refreshMethod:
            guard self.hasAllocation else { return self.error(437, message) }
            response.turn.lifetime = message.turn.lifetime
            if message.turn.lifetime == 0 { self.hasAllocation = false }
        case STUNMessage.createPermissionMethod:
            guard self.hasAllocation else { return self.error(437, message) }
            guard self.forbidden.isDisjoint(with: message.turn.peerAddresses.map { $0.with(port: 0) }) else {
                return self.error(403, message)
            }
            self.permissions += message.turn.peerAddresses
        case STUNMessage.channelBindMethod:
            guard self.hasAllocation else { return self.error(437, message) }
            guard let number = message.turn.channelNumber, let peer = message.turn.peerAddresses.first else {
                return self.error(400, message)
            }
            self.channels[number] = peer
        default:
            return self.error(400, message)
        }
        return response.encoded(key: self.omitsIntegrity ? nil : self.key)
    }

    private func response(to message: STUNMessage) -> STUNMessage {
        STUNMessage(messageClass: .success, method: message.method, transactionID: message.transactionID)
    }

    private func error(_ code: Int, _ message: STUNMessage, withNonce: Bool = false) -> [UInt8] {
        var response = self.response(to: message)
        response.messageClass = .error
        response.errorCode = code
        if withNonce {
            response.turn.realm = self.realm
            response.turn.nonce = self.nonce
        }
        return response.encoded(key: withNonce ? nil : self.key)
    }

    static func data(_ bytes: [UInt8], from peer: TransportAddress) -> [UInt8] {
        var message = STUNMessage(
            messageClass: .indication,
            method: STUNMessage.dataMethod,
            transactionID: STUNTransactionID(connection: 0, nonce: 1)
        )
        message.turn.peerAddresses = [peer]
        message.turn.data = bytes[...]
        return message.encoded(key: nil)
    }
}
