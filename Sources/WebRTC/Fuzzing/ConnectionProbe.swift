package import NIOCore

/// Ways into a live connection that only fuzzers and tests take. On the transport's event loop.
extension PeerConnection {
    /// A packet arrives as if DTLS had just decrypted it: what a peer can do that passed the fingerprint check.
    package func inject(plaintext: [UInt8]) {
        guard !self.isOver else { return }
        plaintext.withUnsafeBytes { self.receivePlaintext($0) }
        self.transport.markDirty(self)
    }

    /// Sees every SCTP packet this side sends, before it is encrypted.
    package func tapPlaintext(_ tap: @escaping ([UInt8]) -> Void) {
        self.messaging.tap = { tap(Array($0)) }
    }

    /// The ICE credentials of this side: username fragment and password.
    package var localCredentials: (usernameFragment: String, password: String) {
        (self.ice.agent.local.usernameFragment, self.ice.agent.local.password)
    }
}

extension WebRTCTransport {
    /// A datagram arrives as if it had been read from the socket, with any sender.
    package func inject(datagram: [UInt8], from source: SocketAddress) {
        let core = self.core.value
        core.receive(AddressedEnvelope(remoteAddress: source, data: ByteBuffer(bytes: datagram)), base: 0)
        core.readComplete()
    }
}

/// A STUN request with valid integrity, as only a peer that knows the password can write.
package func authenticRequest(
    from random: inout some RandomNumberGenerator,
    username: String,
    password: String
) -> [UInt8] {
    var message = STUNMessage(
        messageClass: [.request, .request, .indication, .success][Int.random(in: 0..<4, using: &random)],
        transactionID: STUNTransactionID(connection: random.next(), nonce: random.next())
    )
    message.username = username
    message.priority = Bool.random(using: &random) ? random.next() : nil
    message.useCandidate = Bool.random(using: &random)
    message.controlling = Bool.random(using: &random) ? random.next() : nil
    message.controlled = Int.random(in: 0..<8, using: &random) == 0 ? random.next() : nil
    message.errorCode = Int.random(in: 0..<8, using: &random) == 0 ? 487 : nil
    return message.encoded(password: password)
}
