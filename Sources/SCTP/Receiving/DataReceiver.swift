import NIOCore

/// Everything about messages from the other side: which numbers have come, messages and their order, the window, when to
/// acknowledge.
struct DataReceiver {
    var numbers: ReceivedNumbers
    var reassembly: Reassembly
    var streams: IncomingStreams
    var window: ReceiveWindow
    var acknowledgements: AcknowledgementPolicy
    var ready = ReadyMessages()
    let isInterleaving: Bool
    private let streamCount: UInt16

    init(_ configuration: AssociationConfiguration, local: PeerProfile, remote: PeerProfile) {
        let isInterleaving = local.capabilities.intersection(remote.capabilities).contains(.interleaving)
        self.isInterleaving = isInterleaving
        self.streamCount = min(local.incomingStreams, remote.outgoingStreams)
        self.numbers = ReceivedNumbers(initialTSN: remote.initialTSN)
        self.reassembly = Reassembly(
            isInterleaving: isInterleaving,
            maximumMessageSize: configuration.maximumMessageSize
        )
        let first = configuration.firstNumbers?.message ?? 0
        self.streams = IncomingStreams(
            isInterleaving: isInterleaving,
            firstNumber: isInterleaving ? first : first & 0xFFFF
        )
        self.window = ReceiveWindow(configuration)
        self.acknowledgements = AcknowledgementPolicy(configuration, wish: remote.acknowledgements)
    }

    enum Outcome: Equatable {
        case taken
        /// To be answered with the error "invalid stream identifier".
        case invalidStream
        /// No room: not acknowledged, so it comes again.
        case refused
    }

    /// What is held: fragments, messages that wait for their turn or for the owner.
    var held: Int { self.reassembly.held + self.streams.held + self.ready.held }

    /// What the other side may send now.
    var advertisedWindow: Int {
        let rest = self.window.size - self.held
        // With nothing for the owner to take, only more can make room for more.
        if self.ready.isEmpty, self.held < self.window.hardLimit { return max(rest, ReceiveWindow.leastWithoutReady) }
        return max(0, rest)
    }

    /// Takes a DATA or I-DATA chunk.
    mutating func receive(
        _ header: DataChunk.Header,
        _ payload: UnsafeRawBufferPointer,
        mayDeliver: (Int) -> Bool,
        at now: NIODeadline
    ) throws(ProtocolViolation) -> Outcome {
        let tsn = SequenceNumber.unwrap(header.tsn, near: self.numbers.cumulative)
        switch self.numbers.judge(tsn) {
        case .tooFar:
            self.acknowledgements.isDue = true
            return .refused
        case .duplicate:
            self.numbers.noteDuplicate(header.tsn)
            self.acknowledgements.isDue = true
            return .taken
        case .new: break
        }
        guard mayDeliver(tsn) else { return .refused }
        guard try self.hasRoom(for: tsn, payload.count) else {
            self.acknowledgements.isDue = true
            return .refused
        }
        let hadGaps = self.numbers.hasGaps
        self.numbers.insert(tsn)
        // Section 6.7: what comes out of order, or fills a gap, is acknowledged at once.
        if hadGaps || self.numbers.hasGaps || header.flags & DataChunk.immediate != 0 {
            self.acknowledgements.isDue = true
        }
        guard header.stream < self.streamCount else { return .invalidStream }
        guard !self.streams.isGivenUp(header) else { return .taken }
        if let message = try self.reassembly.insert(
            header,
            tsn: tsn,
            payload,
            cumulative: self.numbers.cumulative
        ) {
            self.streams.insert(message, into: &self.ready)
        }
        return .taken
    }

    /// A packet with DATA has been taken.
    mutating func endPacket(at now: NIODeadline) {
        self.acknowledgements.tookPacket(hasGaps: self.numbers.hasGaps, at: now)
    }

    /// What fills the window is refused, unless it is what all the rest waits for.
    private mutating func hasRoom(for tsn: Int, _ bytes: Int) throws(ProtocolViolation) -> Bool {
        let total = self.held + bytes
        if total <= self.window.size { return true }
        let isNext = tsn == self.numbers.cumulative + 1
        guard self.ready.isEmpty || (isNext && self.numbers.hasGaps) else { return false }
        if self.window.extend(to: total) { return true }
        guard isNext else { return false }
        // The budget is used up, by this association or by others. A little more may let something be delivered.
        if total <= self.window.size + ReceiveWindow.leastWithoutReady { return true }
        guard self.ready.isEmpty else { return false }
        throw ProtocolViolation(reason: "\(self.held) bytes have come that make no whole message")
    }

    /// Nothing more will come: what is not whole, or waits for its turn, is of no use.
    mutating func close() {
        self.reassembly.removeAll()
        self.streams.removeAll()
        self.window.close()
    }

    /// The next message for the owner.
    mutating func nextMessage(roundTrip: TimeAmount?, at now: NIODeadline) -> Reassembly.Message? {
        guard let message = self.ready.take() else { return nil }
        self.window.settle(held: self.held)
        self.window.took(message.payload.readableBytes, roundTrip: roundTrip, at: now)
        // The other side stands before a closed window: tell it that there is room again (section 6.2).
        if self.window.isWorthTelling(self.advertisedWindow) { self.acknowledgements.isDue = true }
        return message
    }

    // MARK: - Messages given up

    /// FORWARD-TSN (RFC 3758 section 3.6) or I-FORWARD-TSN (RFC 8260 section 2.3.1).
    mutating func forward(_ chunk: Chunk) {
        let bytes = chunk.bytes
        guard bytes.count >= 8 else { return }
        self.acknowledgements.isDue = true
        let tsn = SequenceNumber.unwrap(bytes.number(at: 4), near: self.numbers.cumulative)
        // Further than it can have sent: no sound implementation does this.
        guard tsn > self.numbers.cumulative, tsn - self.numbers.cumulative <= ReceivedNumbers.maximumOffset else {
            return
        }
        self.numbers.skip(to: tsn)
        self.reassembly.skip(to: tsn, cumulative: self.numbers.cumulative)
        if self.isInterleaving { self.skipInterleaved(bytes) } else { self.skipOrdered(bytes) }
        self.window.settle(held: self.held)
    }

    private mutating func skipOrdered(_ bytes: UnsafeRawBufferPointer) {
        var offset = 8
        while offset + 4 <= bytes.count {
            let number = UInt32(bytes.number(at: offset + 2) as UInt16)
            self.skip(bytes.number(at: offset), to: number)
            offset += 4
        }
    }

    private mutating func skipInterleaved(_ bytes: UnsafeRawBufferPointer) {
        var last: [UInt32: UInt32] = [:]
        var offset = 8
        while offset + 8 <= bytes.count {
            let stream: UInt16 = bytes.number(at: offset)
            let flags: UInt16 = bytes.number(at: offset + 2)
            let isUnordered = flags & 1 != 0
            last[UInt32(stream) << 1 | (isUnordered ? 1 : 0)] = bytes.number(at: offset + 4)
            offset += 8
        }
        self.reassembly.skip { stream, isUnordered, number in
            last[UInt32(stream) << 1 | (isUnordered ? 1 : 0)].map { Int32(bitPattern: number &- $0) <= 0 } ?? false
        }
        for (key, number) in last.sorted(by: { $0.key < $1.key }) {
            let stream = UInt16(truncatingIfNeeded: key >> 1)
            guard stream < self.streamCount else { continue }
            if key & 1 == 0 {
                self.skip(stream, to: number)
            } else {
                self.streams.skipUnordered(stream, to: number)
            }
        }
    }

    private mutating func skip(_ stream: UInt16, to number: UInt32) {
        guard stream < self.streamCount else { return }
        self.streams.skip(stream, to: number, into: &self.ready)
    }

    // MARK: - Acknowledging

    /// Writes a SACK if there is room for one.
    mutating func writeAcknowledgement(into writer: inout PacketWriter) {
        guard writer.room >= SelectiveAcknowledgement.fixedLength else { return }
        let window = self.advertisedWindow
        self.window.advertised = window
        self.numbers.writeSelectiveAcknowledgement(window: window, into: &writer)
        self.acknowledgements.didAcknowledge()
    }
}
