import NIOCore
import TestSupport
import WebRTC

/// Input into a connection that is up, on real sockets.
enum LiveTarget {
    /// What comes in, and so what the sender is able to do.
    enum Mode: Sendable {
        /// SCTP packets: the peer itself is hostile. It may end the connection; a new one is made then.
        case plaintext
        /// Datagrams of a sender that knows no secret. The connection must survive all of them.
        case datagrams
        /// Connectivity checks with valid integrity. They may end the connection.
        case checks
    }

    private static let batch: UInt64 = 64
    /// After so many inputs a connection is closed in order and a new one made.
    private static let lifetime: UInt64 = 16_384

    static func run(
        _ run: FuzzRun,
        _ corpus: [[UInt8]],
        _ mode: Mode,
        _ note: @escaping @Sendable (UInt64, [UInt8]) -> Void
    ) async throws -> UInt64 {
        var configuration = WebRTCConfiguration()
        configuration.bindAddresses = ["127.0.0.1"]
        let transports = (try await WebRTCTransport.bind(configuration), try await WebRTCTransport.bind(configuration))
        defer {
            transports.0.close()
            transports.1.close()
        }
        var number = run.numbers.lowerBound
        var accepted: UInt64 = 0
        while number < run.numbers.upperBound {
            let pair = try await LivePair.connect(transports.0, transports.1, corpus)
            // Before it all ends with the first inputs, something genuine has come across and was recorded.
            guard await pair.value(on: transports.0.eventLoop, { $0.exchange() }) else { throw LivePair.NoConnection() }
            let end = min(run.numbers.upperBound, number + Self.lifetime)
            var isUp = true
            while isUp, number < end {
                let numbers = number..<min(end, number + Self.batch)
                // Something genuine to record, and to be in the middle of. It leaves with the end of the loop's turn.
                try await transports.0.eventLoop.submit { pair.value.speak(before: numbers.lowerBound) }.get()
                (number, isUp) = try await transports.0.eventLoop.submit {
                    let next = pair.value.inject(numbers, mode, run, note)
                    return (next, pair.value.isUp)
                }.get()
            }
            if mode == .datagrams {
                guard isUp, await pair.value(on: transports.0.eventLoop, { $0.exchange() }) else {
                    throw FuzzFailure(run: run, number: number, input: [], reason: "the connection did not survive")
                }
            }
            accepted += try await transports.0.eventLoop.submit { pair.value.close() }.get()
        }
        return accepted
    }
}

extension NIOLoopBound where Value == LivePair {
    /// The outcome of a future that is made on the loop; false if it fails.
    fileprivate func value(on loop: any EventLoop, _ body: @escaping @Sendable (LivePair) -> EventLoopFuture<Bool>)
        async
        -> Bool
    {
        (try? await loop.flatSubmit { body(self.value) }.get()) ?? false
    }
}

/// A connection between a victim and an attacker. The victim echoes every message. On the event loop.
final class LivePair {
    private let transport: WebRTCTransport
    private let attackerAddress: SocketAddress
    private let victim: PeerConnection
    private let attacker: PeerConnection
    private let corpus: [[UInt8]]
    private var channel: DataChannel?
    /// The newest packets the attacker's stack sent: genuine, with the right tags and numbers.
    private var recorded: [[UInt8]] = []
    private var received: UInt64 = 0
    private var isOpen: EventLoopPromise<Bool>?
    private var echo: EventLoopPromise<Bool>?

    private static let patience = TimeAmount.seconds(20)

    /// Connects a pair and waits until it can exchange messages.
    static func connect(_ near: WebRTCTransport, _ far: WebRTCTransport, _ corpus: [[UInt8]]) async throws
        -> NIOLoopBound<LivePair>
    {
        let loop = near.eventLoop
        return try await loop.flatSubmit { () -> EventLoopFuture<NIOLoopBound<LivePair>> in
            do {
                let pair = try LivePair(near, far, corpus)
                let bound = NIOLoopBound(pair, eventLoop: loop)
                return try pair.open().flatMapThrowing { isOpen in
                    guard isOpen else { throw NoConnection() }
                    return bound
                }
            } catch {
                return loop.makeFailedFuture(error)
            }
        }.get()
    }

    struct NoConnection: Error {}

    private init(_ near: WebRTCTransport, _ far: WebRTCTransport, _ corpus: [[UInt8]]) throws {
        self.transport = near
        let address = far.localAddresses[0]
        self.attackerAddress = try SocketAddress(ipAddress: address.ip, port: Int(address.port))
        self.victim = try near.makePeerConnection()
        self.attacker = try far.makePeerConnection()
        self.corpus = corpus
    }

    private func open() throws -> EventLoopFuture<Bool> {
        let promise = self.promise()
        self.isOpen = promise
        self.victim.onDataChannel = { [weak self] channel in
            guard let self else { return }
            channel.onMessage = { [weak self, unowned channel] message, kind in
                self?.received &+= 1
                // A full queue is one more thing that may happen to a victim.
                try? channel.send(message, as: kind)
            }
        }
        let channel = try self.attacker.createDataChannel(label: "attack")
        self.channel = channel
        // The association's own handshake is worth recording, too.
        self.attacker.onConnectionStateChange = { [weak self] state in
            guard let self, state == .connected else { return }
            self.attacker.tapPlaintext { [weak self] packet in
                guard let self else { return }
                if self.recorded.count == 32 { self.recorded.removeFirst() }
                self.recorded.append(packet)
            }
        }
        channel.onOpen = { [weak self] in self?.isOpen?.succeed(true) }
        channel.onMessage = { [weak self] _, _ in self?.echo?.succeed(true) }
        let offer = try self.attacker.createOffer()
        try self.victim.setRemoteDescription(offer)
        try self.attacker.setRemoteDescription(try self.victim.createAnswer())
        return promise.futureResult
    }

    /// A promise that comes true as false if nothing else happens.
    private func promise() -> EventLoopPromise<Bool> {
        let promise = self.transport.eventLoop.makePromise(of: Bool.self)
        let alarm = self.transport.eventLoop.scheduleTask(in: Self.patience) { promise.succeed(false) }
        promise.futureResult.whenComplete { _ in alarm.cancel() }
        return promise
    }

    /// Whether a message still comes back.
    func exchange() -> EventLoopFuture<Bool> {
        let promise = self.promise()
        self.echo = promise
        do {
            guard let channel else { throw NoConnection() }
            try channel.send("still here")
        } catch {
            promise.succeed(false)
        }
        return promise.futureResult
    }

    /// Whether both ends still have the connection.
    var isUp: Bool {
        self.victim.connectionState == .connected && self.attacker.connectionState == .connected
    }

    func speak(before number: UInt64) {
        try? self.channel?.send("message before input \(number)")
    }

    /// Gives the victim the inputs of these numbers, up to the one that ends the connection. Returns the number of the
    /// first that was not given.
    func inject(
        _ numbers: Range<UInt64>,
        _ mode: LiveTarget.Mode,
        _ run: FuzzRun,
        _ note: (UInt64, [UInt8]) -> Void
    ) -> UInt64 {
        let mutator = Mutator(corpus: self.corpus + self.recorded, limit: 2048, isText: false)
        for number in numbers {
            var random = run.generator(number)
            switch mode {
            case .plaintext:
                let packet = self.mend(mutator.input(number, &random), &random)
                note(number, packet)
                self.victim.inject(plaintext: packet)
            case .datagrams:
                let datagram = Mutator(corpus: self.corpus, limit: 2048, isText: false).input(number, &random)
                note(number, datagram)
                self.transport.inject(datagram: datagram, from: self.sender(&random))
            case .checks:
                let check = self.check(&random)
                note(number, check)
                self.transport.inject(datagram: check, from: self.sender(&random))
            }
            if !self.isUp { return number + 1 }
        }
        return numbers.upperBound
    }

    /// The peer's own address, or any other one of the loopback network: nothing that is answered leaves the machine.
    private func sender(_ random: inout SeededGenerator) -> SocketAddress {
        guard random.next() % 2 == 0 else { return self.attackerAddress }
        let host = "127.\(random.next() % 256).\(random.next() % 256).\(random.next() % 254 + 1)"
        let address = try? SocketAddress(ipAddress: host, port: Int(random.next() % 65_535 + 1))
        return address ?? self.attackerAddress
    }

    /// Most packets get the association's ports and tag: all others are dropped at the door.
    private func mend(_ packet: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var packet = packet
        guard packet.count >= 12, let genuine = self.recorded.last, random.next() % 16 != 0 else { return packet }
        packet.replaceSubrange(0..<8, with: genuine[0..<8])
        return packet
    }

    /// An authentic check, damaged before or after it was signed.
    private func check(_ random: inout SeededGenerator) -> [UInt8] {
        let (ours, password) = self.victim.localCredentials
        let theirs = self.attacker.localCredentials.usernameFragment
        return authenticRequest(from: &random, username: "\(ours):\(theirs)", password: password)
    }

    /// Ends the connection. Returns how many messages the victim took.
    func close() -> UInt64 {
        self.victim.close()
        self.attacker.close()
        return self.received
    }
}
