import NIOCore
public import NetworkEmulation
public import SCTP

/// One end of an SCTP association in a virtual network, with an application that sends or takes what comes.
public final class AssociationNode: VirtualNode {
    /// What the application does.
    public enum Workload: Hashable, Sendable {
        /// Takes what comes.
        case listen
        /// Always has a message of so many bytes to send.
        case bulk(size: Int)
        /// Sends a message of so many bytes, at least 8, at every interval. A late one does not delay those behind it.
        case paced(size: Int, interval: Duration)
    }

    /// What DTLS 1.2 adds to a packet with AES-GCM: record header, explicit nonce and tag.
    public static let recordOverhead = 37
    /// Bytes that a bulk sender hands over beyond what has been sent.
    private static let backlog = 1 << 20

    /// The machine.
    public let association: Association
    /// Bytes of messages since `reset`.
    public private(set) var receivedBytes = 0
    /// Messages since `reset`.
    public private(set) var receivedMessages = 0
    /// Of paced messages since `reset`, from the time that each was due until it had arrived.
    public private(set) var latencies: [Duration] = []
    /// Called with each event that was taken.
    public var onEvent: ((AssociationEvent) -> Void)?
    /// While false the application takes no events, so that the other end's window closes. Default true.
    public var isReading = true {
        didSet { self.takeEvents() }
    }

    private let peer: Int
    private let workload: Workload
    private var nextMessage: Duration?
    private var now = Duration.zero
    private var urgent = CircularBuffer<[UInt8]>()
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2048, alignment: 8)
    private let filler: ByteBuffer

    /// An end that talks to the node of this number. It connects as soon as the network runs.
    public init(
        peer: Int,
        _ workload: Workload,
        _ configuration: AssociationConfiguration,
        random: any RandomNumberGenerator
    ) {
        self.peer = peer
        self.workload = workload
        self.association = Association(configuration, random: random)
        switch workload {
        case .listen: self.filler = ByteBuffer()
        case .bulk(let size): self.filler = ByteBuffer(repeating: 1, count: size)
        case .paced(let size, _):
            self.filler = ByteBuffer(repeating: 1, count: max(0, size - MemoryLayout<Int64>.size))
            self.nextMessage = .zero
        }
        self.association.connect(at: Self.time(.zero))
    }

    deinit {
        self.memory.deallocate()
    }

    /// Bytes of messages for each byte on the wire, with the headers of IPv4 and UDP: full packets, one chunk each.
    public var payloadShare: Double {
        guard let statistics = self.association.statistics else { return 1 }
        // The common header, and that of a DATA or I-DATA chunk (RFC 9260 section 3, RFC 8260 section 2.1).
        let headers = 12 + (statistics.isInterleaving ? 20 : 16)
        return Double(statistics.packetSize - headers) / Double(statistics.packetSize + Self.recordOverhead + 28)
    }

    /// Counts anew.
    public func reset() {
        self.receivedBytes = 0
        self.receivedMessages = 0
        self.latencies = []
    }

    // MARK: - In the network

    /// A packet has come from the other end.
    public func receive(_ packet: [UInt8], from node: Int, at now: Duration) {
        self.now = now
        packet.withUnsafeBytes { self.association.handle(packet: $0, at: Self.time(now)) }
        while self.association.hasUrgentOutput, let answer = self.nextPacket() { self.urgent.append(answer) }
        self.takeEvents()
    }

    /// The deadline has come.
    public func wake(at now: Duration) {
        self.now = now
        let time = Self.time(now)
        if let deadline = self.association.deadline, deadline <= time { self.association.handleTimeout(at: time) }
        self.takeEvents()
    }

    /// That of the association, or the next paced message.
    public var deadline: Duration? {
        let due = self.association.deadline.map { Duration.nanoseconds(($0 - Self.time(.zero)).nanoseconds) }
        return [due, self.nextMessage].compactMap { $0 }.min()
    }

    /// The association's next packet, with what DTLS adds to its size.
    public func nextDatagram() -> (datagram: [UInt8], size: Int, to: Int)? {
        self.feed()
        guard let packet = self.urgent.popFirst() ?? self.nextPacket() else { return nil }
        self.takeEvents()
        return (packet, packet.count + Self.recordOverhead, self.peer)
    }

    private func nextPacket() -> [UInt8]? {
        self.association.nextPacket(into: self.memory, at: Self.time(self.now)).map { Array(self.memory[..<$0]) }
    }

    // MARK: - The application

    private func feed() {
        switch self.workload {
        case .listen: break
        case .bulk:
            while self.association.bufferedBytes < Self.backlog, self.send(self.filler) {}
        case .paced(_, let interval):
            while let due = self.nextMessage, due <= self.now {
                var message = ByteBuffer(integer: due.inNanoseconds)
                message.writeImmutableBuffer(self.filler)
                _ = self.send(message)
                self.nextMessage = due + interval
            }
        }
    }

    private func send(_ message: ByteBuffer) -> Bool {
        do throws(SendError) {
            try self.association.send(OutgoingMessage(stream: 0, protocolIdentifier: 53, payload: message))
            return true
        } catch {
            return false
        }
    }

    private func takeEvents() {
        while self.isReading, let event = self.association.nextEvent() {
            self.onEvent?(event)
            guard case .message(_, _, let payload) = event else { continue }
            self.receivedBytes += payload.readableBytes
            self.receivedMessages += 1
            guard let sent = payload.getInteger(at: payload.readerIndex, as: Int64.self), sent >= 0,
                sent <= self.now.inNanoseconds
            else { continue }
            self.latencies.append(self.now - .nanoseconds(sent))
        }
        while self.association.nextTransmission() != nil {}
    }

    /// A time of the network's on the association's clock.
    static func time(_ now: Duration) -> NIODeadline {
        .uptimeNanoseconds(UInt64(clamping: 1_000_000_000 + now.inNanoseconds))
    }
}

extension AssociationConfiguration {
    /// The defaults, with cookies that nobody forges here: a real owner takes HMAC.
    public static var virtual: AssociationConfiguration {
        AssociationConfiguration { bytes in
            var state: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in bytes { state = (state ^ UInt64(byte)) &* 0x1000_0000_01B3 }
            return withUnsafeBytes(of: state.bigEndian, Array.init)
        }
    }
}

extension VirtualNetwork where Node == AssociationNode {
    /// Pairs of nodes that share a path there and one back: sender `2 * n`, receiver `2 * n + 1`.
    ///
    /// - Parameter random: a generator for each node and path, by number.
    public static func pairs(
        _ count: Int,
        _ workload: AssociationNode.Workload,
        forth: PathConditions,
        back: PathConditions,
        configuration: AssociationConfiguration,
        random: (Int) -> any RandomNumberGenerator
    ) -> VirtualNetwork {
        let nodes = (0..<2 * count).map { number in
            AssociationNode(
                peer: number ^ 1,
                number % 2 == 0 ? workload : .listen,
                configuration,
                random: random(number)
            )
        }
        var network = VirtualNetwork(nodes: nodes)
        let there = network.add(NetworkPath(forth, random: random(2 * count)))
        let returning = network.add(NetworkPath(back, random: random(2 * count + 1)))
        for number in 0..<count {
            network.connect(2 * number, to: 2 * number + 1, by: there)
            network.connect(2 * number + 1, to: 2 * number, by: returning)
        }
        return network
    }
}
