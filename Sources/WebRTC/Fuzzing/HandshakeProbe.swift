/// Two DTLS sessions joined in memory, for fuzzers that damage datagrams on their way.
package final class HandshakeProbe {
    /// Datagrams on their way to the server and to the client.
    package private(set) var toServer: [[UInt8]] = []
    package private(set) var toClient: [[UInt8]] = []
    private let context: DTLSContext
    private var client: DTLSSession?
    private var server: DTLSSession?
    private var scratch = [UInt8](repeating: 0, count: 1 << 16)

    /// A client that has sent its first flight to a server. Both trust the certificate that both have; it is made anew
    /// or, because that takes longer than a handshake, taken from an earlier probe.
    package init(sharing earlier: HandshakeProbe? = nil) throws {
        self.context = try earlier?.context ?? DTLSContext()
        self.client = try DTLSSession(
            context: self.context,
            role: .client,
            fingerprints: [self.context.fingerprint],
            mtu: 1200,
            output: { [unowned self] in self.toServer.append(Array($0)) }
        )
        self.server = try DTLSSession(
            context: self.context,
            role: .server,
            fingerprints: [self.context.fingerprint],
            mtu: 1200,
            output: { [unowned self] in self.toClient.append(Array($0)) }
        )
        self.client?.start()
    }

    /// Whether both ends have finished the handshake.
    package var isConnected: Bool { self.client?.state == .connected && self.server?.state == .connected }

    /// Whether an end gave up.
    package var isOver: Bool {
        [self.client, self.server].contains { session in
            switch session?.state {
            case .handshaking, .connected: false
            case .closed, .failed, nil: true
            }
        }
    }

    /// Takes what is on its way to the server.
    package func takeForServer() -> [[UInt8]] {
        defer { self.toServer = [] }
        return self.toServer
    }

    /// Takes what is on its way to the client.
    package func takeForClient() -> [[UInt8]] {
        defer { self.toClient = [] }
        return self.toClient
    }

    /// A datagram reaches an end. Returns the plaintexts that came out of it.
    package func deliver(_ datagram: [UInt8], toServer isForServer: Bool) -> [[UInt8]] {
        guard let session = isForServer ? self.server : self.client else { return [] }
        return datagram.withUnsafeBytes { datagram in
            session.receive(datagram)
            return self.scratch.withUnsafeMutableBytes { scratch in
                var plaintexts: [[UInt8]] = []
                while let count = session.read(into: scratch) { plaintexts.append(Array(scratch[..<count])) }
                return plaintexts
            }
        }
    }

    /// Encrypts at an end; the datagram is then on its way to the other.
    package func send(_ plaintext: [UInt8], fromServer: Bool) -> Bool {
        let session = fromServer ? self.server : self.client
        return plaintext.withUnsafeBytes { session?.write($0) ?? false }
    }
}
