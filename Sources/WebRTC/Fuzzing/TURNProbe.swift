import NIOCore

/// A TURN client with an allocation, a permission and a channel, for fuzzers: it takes what a server sends, or somebody
/// in its place, as datagrams and as a stream.
package final class TURNProbe {
    private var client: TURNClient
    private var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var lastRequest: STUNMessage?
    /// Those whom the server let in.
    private var permitted: Set<TransportAddress> = []
    private var key: [UInt8] = []
    private var isDone = false
    /// What the server answered while the probe was made, and more of its kind, as datagrams.
    package private(set) var serverMessages: [[UInt8]] = []

    private static let peer = TransportAddress(ipv4: 0xC633_6402, port: 7_000)
    private static let maximumPeers = 32
    private static let maximumOutputs = 256

    /// A client that has just set up its allocation with a well-behaved server.
    package init(random: any RandomNumberGenerator) {
        var ice = ICEConfiguration()
        ice.maximumRelayedPeers = Self.maximumPeers
        self.client = TURNClient(
            id: 7,
            credentials: .init(username: "user", password: "secret"),
            family: .ipv4,
            configuration: TURNConfiguration(ice, isStream: false),
            random: random
        )
        self.key = LongTermKey.key(username: "user", realm: "example.org", password: "secret")
        self.feed(.start)
        self.answer(error: 401)
        self.answer()
        self.feed(.bindChannel(Self.peer))
        self.answerAll()
        for code in [300, 401, 403, 437, 438, 440, 441, 486, 508] {
            self.serverMessages.append(self.message(error: code))
        }
        self.serverMessages.append(self.indication())
    }

    /// Whether the client has given up, or was told to go elsewhere.
    package var isOver: Bool { self.isDone }

    // MARK: - Inputs

    /// A datagram from the server's address. True when it was of use.
    package func receive(datagram: [UInt8]) throws -> Bool {
        try datagram.withUnsafeBytes { bytes in
            guard bytes.count > 0, bytes[0] >> 6 == 1 else { return try self.receive(message: datagram) }
            guard let data = ChannelData(bytes), let peer = self.client.peer(ofChannel: data.number) else {
                return false
            }
            try self.expect(self.permitted.contains(peer.with(port: 0)), "data came on a channel that nobody let in")
            return true
        }
    }

    /// The same as an answer to the last request: with its transaction, and signed if the server itself is hostile.
    package func receive(answer datagram: [UInt8], isSigned: Bool) throws -> Bool {
        guard var message = try? STUNDecoder(datagram).message, let lastRequest else { return false }
        message.transactionID = lastRequest.transactionID
        return try self.receive(message: message.encoded(key: isSigned ? self.key : nil))
    }

    /// Bytes of the stream to a server. However they come in pieces, they are the same frames.
    package func receive(stream: [UInt8], pieces: Int) throws -> Bool {
        var whole = TURNStreamFramer()
        whole.append(stream)
        let expected = Self.frames(&whole)
        var cut = TURNStreamFramer()
        var frames: [TURNStreamFramer.Frame] = []
        var isMalformed = false
        for start in Swift.stride(from: 0, to: stream.count, by: max(1, pieces)) where !isMalformed {
            cut.append(stream[start..<min(stream.count, start + max(1, pieces))])
            let some = Self.frames(&cut)
            frames += some.frames
            isMalformed = some.isMalformed
        }
        try self.expect(frames == expected.frames, "a stream was cut into other frames in pieces than as a whole")
        try self.expect(isMalformed == expected.isMalformed, "a stream is malformed in pieces or as a whole only")
        for case .message(let bytes) in frames { _ = try self.receive(message: Array(bytes)) }
        return !frames.isEmpty
    }

    /// Something of its own that the client does: then there is a request to be answered.
    package func act(_ choice: UInt64) {
        switch choice % 4 {
        case 0: self.feed(.probe)
        case 1: self.feed(.permit(TransportAddress(ipv4: 0xC633_6400 | UInt32(choice >> 8 & 0xFF), port: 7_000)))
        case 2: self.feed(.bindChannel(TransportAddress(ipv4: 0xC633_6400 | UInt32(choice >> 8 & 0xFF), port: 9)))
        default:
            self.now = max(self.now, self.client.deadline ?? self.now)
            self.feed(.timeout)
        }
    }

    // MARK: - Promises

    private func expect(_ condition: Bool, _ promise: String) throws(ParserProbe.BrokenPromise) {
        guard condition else { throw ParserProbe.BrokenPromise(description: promise) }
    }

    private func receive(message: [UInt8]) throws -> Bool {
        guard let decoder = try? STUNDecoder(message) else { return false }
        let wasPermitted = self.permitted
        let outputs = self.feed(.message(decoder))
        var isUseful = false
        for output in outputs {
            switch output {
            case .data(_, let peer):
                try self.expect(wasPermitted.contains(peer.with(port: 0)), "data came from a peer that nobody let in")
                isUseful = true
            case .permitted:
                try self.expect(decoder.isAuthentic(key: self.key), "a peer was let in by nobody")
                isUseful = true
            case .allocated: throw ParserProbe.BrokenPromise(description: "a second allocation came about")
            case .discarded: break
            case .send, .denied, .redirected, .failed: isUseful = true
            }
        }
        try self.expect(outputs.count <= Self.maximumOutputs, "one message made the client say \(outputs.count) things")
        try self.expect(self.client.permissions.count <= Self.maximumPeers, "too many permissions")
        try self.expect(self.client.channels.count <= Self.maximumPeers, "too many channels")
        try self.expect(self.client.transactions.count <= Self.maximumPeers * 8, "too many requests are open")
        return isUseful
    }

    @discardableResult
    private func feed(_ input: TURNClient.Input) -> [TURNClient.Output] {
        self.client.handle(input, at: self.now)
        var outputs: [TURNClient.Output] = []
        while let output = self.client.nextOutput() {
            outputs.append(output)
            switch output {
            case .send(let bytes): self.lastRequest = (try? STUNDecoder(bytes).message) ?? self.lastRequest
            case .permitted(let host): self.permitted.insert(host)
            case .failed, .redirected: self.isDone = true
            case .allocated, .denied, .data, .discarded: break
            }
        }
        return outputs
    }

    // MARK: - The well-behaved server

    private func message(error: Int? = nil) -> [UInt8] {
        guard let lastRequest else { return [] }
        var message = STUNMessage(
            messageClass: error == nil ? .success : .error,
            method: lastRequest.method,
            transactionID: lastRequest.transactionID
        )
        message.errorCode = error
        if error == 401 || error == 438 {
            message.turn.realm = "example.org"
            message.turn.nonce = Array("a nonce".utf8)
            return message.encoded(key: nil)
        }
        if error == 300 { message.turn.alternateServer = TransportAddress(ipv4: 0xCB00_7102, port: 3_478) }
        if error == nil {
            message.turn.lifetime = 600
            message.turn.relayedAddress = TransportAddress(ipv4: 0xCB00_7101, port: 50_000)
            message.mappedAddress = TransportAddress(ipv4: 0xCB00_7109, port: 4_000)
        }
        return message.encoded(key: self.key)
    }

    private func indication() -> [UInt8] {
        var message = STUNMessage(
            messageClass: .indication,
            method: STUNMessage.dataMethod,
            transactionID: STUNTransactionID(connection: 1, nonce: 2)
        )
        message.turn.peerAddresses = [Self.peer]
        message.turn.data = [1, 2, 3, 4, 5]
        return message.encoded(key: nil)
    }

    private func answer(error: Int? = nil) {
        let bytes = self.message(error: error)
        self.serverMessages.append(bytes)
        if let decoder = try? STUNDecoder(bytes) { self.feed(.message(decoder)) }
    }

    private func answerAll() {
        for nonce in self.client.transactions.keys.sorted() {
            guard let bytes = self.client.transactions[nonce]?.bytes else { continue }
            self.lastRequest = try? STUNDecoder(bytes).message
            self.answer()
        }
    }

    private static func frames(
        _ framer: inout TURNStreamFramer
    ) -> (frames: [TURNStreamFramer.Frame], isMalformed: Bool) {
        var frames: [TURNStreamFramer.Frame] = []
        do throws(TURNStreamFramer.Malformed) {
            while let frame = try framer.next() { frames.append(frame) }
            return (frames, false)
        } catch {
            return (frames, true)
        }
    }
}
