import NIOCore
import SCTP
import TestSupport

/// Packets of a hostile peer into an SCTP association amid its traffic over a path that loses, doubles and holds back, in
/// virtual time: no sockets and no DTLS, so that many more inputs pass than into a live connection.
enum AssociationTarget {
    /// What an association may hold of what makes no whole message: its largest window, and a packet.
    private static let memoryLimit = 8 * 1024 * 1024 + 65_536

    static func run(
        _ run: FuzzRun,
        _ corpus: [[UInt8]],
        _ note: (UInt64, [UInt8]) -> Void
    ) throws -> UInt64 {
        var pair = AssociationPair(seed: run.seed)
        var received: UInt64 = 0
        for number in run.numbers {
            var random = run.generator(number)
            if pair.isOver || Int.random(in: 0..<256, using: &random) == 0 {
                pair = AssociationPair(seed: random.next())
            }
            pair.work(&random)
            let mutator = Mutator(corpus: corpus + pair.recorded, limit: 2048, isText: false)
            let packet = pair.mend(mutator.input(number, &random), &random)
            note(number, packet)
            pair.attack(packet)
            received += pair.takeReceived()
            guard pair.heldBytes <= Self.memoryLimit else {
                let reason = "the association holds \(pair.heldBytes) bytes"
                throw FuzzFailure(run: run, number: number, input: packet, reason: reason)
            }
        }
        return received
    }
}

/// A victim, and a peer whose packets are recorded: genuine ones, with the right tags and numbers.
private final class AssociationPair {
    private let victim: Association
    private let peer: Association
    private(set) var recorded: [[UInt8]] = []
    private var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var received: UInt64 = 0
    private var isReading = true
    /// Packets that are overtaken by others.
    private var heldBack: [(packet: [UInt8], isForVictim: Bool)] = []
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2048, alignment: 8)

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var configuration = AssociationConfiguration { bytes in
            let code = bytes.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
            return withUnsafeBytes(of: code, Array.init)
        }
        configuration.usesInterleaving = Bool.random(using: &random)
        configuration.maximumTimeouts = nil
        self.victim = Association(configuration, random: SeededGenerator(seed: random.next()))
        self.peer = Association(configuration, random: SeededGenerator(seed: random.next()))
        self.victim.connect(at: self.now)
        self.peer.connect(at: self.now)
        for _ in 0..<8 { self.exchange(&random, isCalm: true) }
    }

    deinit {
        self.memory.deallocate()
    }

    var isOver: Bool { self.victim.state == .ended || self.peer.state == .ended }
    var heldBytes: Int { self.victim.heldBytes }

    func takeReceived() -> UInt64 {
        defer { self.received = 0 }
        return self.received
    }

    /// A little of everything that owners do.
    func work(_ random: inout SeededGenerator) {
        self.now = self.now + .microseconds(Int64.random(in: 0...20_000, using: &random))
        switch Int.random(in: 0..<32, using: &random) {
        case 0: self.isReading.toggle()
        case 1: self.peer.reset([UInt16.random(in: 0..<4, using: &random)])
        case 2: self.victim.reset([UInt16.random(in: 0..<4, using: &random)])
        case 3: self.victim.dropQueue(of: UInt16.random(in: 0..<4, using: &random), at: self.now)
        case 4..<12: self.send(from: self.peer, &random)
        case 12..<16: self.send(from: self.victim, &random)
        default: break
        }
        self.exchange(&random)
    }

    private func send(from end: Association, _ random: inout SeededGenerator) {
        let size = Int.random(in: 1...8_000, using: &random)
        var message = OutgoingMessage(
            stream: UInt16.random(in: 0..<4, using: &random),
            protocolIdentifier: 53,
            payload: ByteBuffer(repeating: 7, count: size)
        )
        message.isOrdered = Bool.random(using: &random)
        if Bool.random(using: &random) { message.reliability = .retransmissions(0) }
        try? end.send(message)
    }

    /// What both have to say sets out.
    private func exchange(_ random: inout SeededGenerator, isCalm: Bool = false) {
        for end in [self.victim, self.peer] where end.deadline.map({ $0 <= self.now }) ?? false {
            end.handleTimeout(at: self.now)
        }
        let late = self.heldBack
        self.heldBack = []
        for packet in self.packets(of: self.peer) {
            if self.recorded.count == 32 { self.recorded.removeFirst() }
            self.recorded.append(packet)
            self.carry(packet, isForVictim: true, &random, isCalm: isCalm)
        }
        self.read()
        for packet in self.packets(of: self.victim) {
            self.carry(packet, isForVictim: false, &random, isCalm: isCalm)
        }
        for (packet, isForVictim) in late { self.deliver(packet, isForVictim: isForVictim) }
        self.read()
        while self.peer.nextEvent() != nil {}
    }

    /// A packet arrives, or is lost, doubled or held back.
    private func carry(_ packet: [UInt8], isForVictim: Bool, _ random: inout SeededGenerator, isCalm: Bool) {
        switch isCalm ? 15 : Int.random(in: 0..<16, using: &random) {
        case 0: return
        case 1: self.deliver(packet, isForVictim: isForVictim)
        case 2, 3:
            if self.heldBack.count < 64 { self.heldBack.append((packet, isForVictim)) }
            return
        default: break
        }
        self.deliver(packet, isForVictim: isForVictim)
    }

    private func deliver(_ packet: [UInt8], isForVictim: Bool) {
        let end = isForVictim ? self.victim : self.peer
        packet.withUnsafeBytes { end.handle(packet: $0, at: self.now) }
    }

    /// A packet arrives that the peer never sent.
    func attack(_ packet: [UInt8]) {
        self.deliver(packet, isForVictim: true)
        self.read()
    }

    private func read() {
        while self.isReading, let event = self.victim.nextEvent() {
            if case .message = event { self.received += 1 }
        }
        while self.victim.nextTransmission() != nil {}
    }

    private func packets(of end: Association) -> [[UInt8]] {
        var packets: [[UInt8]] = []
        while packets.count < 64, let count = end.nextPacket(into: self.memory, at: self.now) {
            packets.append(Array(self.memory[..<count]))
        }
        return packets
    }

    /// Most packets get the association's ports and tag: all others are dropped at the door.
    func mend(_ packet: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var packet = packet
        guard packet.count >= 12, let genuine = self.recorded.last, random.next() % 16 != 0 else { return packet }
        packet.replaceSubrange(0..<8, with: genuine[0..<8])
        return packet
    }
}
