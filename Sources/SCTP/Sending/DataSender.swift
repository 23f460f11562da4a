import NIOCore

/// Everything about messages to the other side: queues, windows, retransmission, giving up.
struct DataSender {
    var streams: OutgoingStreams
    var messages = OutgoingMessages()
    var chunks: OutstandingChunks
    /// Transmissions in the order they were made. Those that are over stay until they are at the front.
    var transmissions = Queue<Transmission>()
    var estimator: RoundTripEstimator
    var congestion: any CongestionControl
    var loss = LossDetection()
    var recovery: Recovery?
    var suspicions = Suspicions()
    var timers = SendTimers()
    var pacer: Pacer
    /// The shortest round trip of the path as the owner knows it, if it does.
    var pathRoundTrip: TimeAmount?
    var deliveryRate = DeliveryRate()
    var sampler = DeliverySampler()
    var peer: Receiver
    var forward: ForwardPoint
    var counters = SendCounters()
    /// How often something could not be sent at once.
    private var turns = 0
    let limits: Limits

    struct Transmission {
        var tsn: Int
        var order: Int
    }

    struct Limits {
        var packetSize: Int
        var maximumTimeouts: Int?
        var packetsPerAcknowledgement: Int
    }

    /// What is known of the other side as a receiver.
    struct Receiver {
        /// Its window (`a_rwnd`), in which what is in flight is not yet subtracted.
        var window: Int
        var hasPartialReliability: Bool
        var acknowledgements: AcknowledgementWish?
        /// A chunk beyond its window, sent to learn whether it has opened.
        var windowProbe: Int?
        /// TSNs below have been sent when the congestion window was what held back.
        var limitedUntil = 0
    }

    /// Chunks that may be outstanding: half of what gap offsets allow, so that message numbers of 16 bits stay unique.
    private static let maximumChunks = 32_767

    init(_ configuration: AssociationConfiguration, local: PeerProfile, remote: PeerProfile, streams: OutgoingStreams) {
        self.streams = streams
        self.chunks = OutstandingChunks(initialTSN: local.initialTSN)
        self.forward = ForwardPoint(tsn: self.chunks.cumulative)
        self.estimator = RoundTripEstimator(configuration)
        let capabilities = local.capabilities.intersection(remote.capabilities)
        self.streams.isInterleaving = capabilities.contains(.interleaving)
        let header = capabilities.contains(.interleaving) ? DataChunk.interleavedHeaderLength : DataChunk.headerLength
        let packetSize = (configuration.maximumPacketSize - CommonHeader.length - header) & ~3
        self.limits = Limits(
            packetSize: packetSize,
            maximumTimeouts: configuration.maximumTimeouts,
            packetsPerAcknowledgement: configuration.packetsPerAcknowledgement
        )
        self.congestion = configuration.congestionControl(packetSize)
        self.pacer = Pacer(packetSize: packetSize, hasRate: self.congestion.pacingRate != nil)
        self.peer = Receiver(
            window: Int(remote.receiveWindow),
            hasPartialReliability: capabilities.contains(.partialReliability),
            acknowledgements: remote.acknowledgements
        )
    }

    /// Whether the other side has confirmed all that was handed over.
    var isDone: Bool { self.messages.count == 0 && self.chunks.isEmpty }

    /// How late the other side may acknowledge; RFC 9260 section 6.2's recommendation where it does not say.
    var peerDelay: TimeAmount {
        self.peer.acknowledgements.map { .milliseconds(Int64($0.delay)) } ?? .milliseconds(200)
    }

    mutating func enqueue(_ message: OutgoingMessage) {
        let stream = self.streams.index(of: message.stream)
        let index = self.messages.insert(
            OutgoingMessages.Message(
                payload: message.payload,
                protocolIdentifier: message.protocolIdentifier,
                stream: stream,
                isOrdered: message.isOrdered,
                reliability: message.reliability,
                isCounted: message.isCounted,
                turn: self.turns
            )
        )
        self.streams.append(index, bytes: self.messages[index].buffered, to: stream)
    }

    // MARK: - Writing

    /// Writes as many chunks as the packet and the windows have room for.
    mutating func write(into writer: inout PacketWriter, at now: NIODeadline) {
        self.pacer.release()
        self.noteIdleTime(at: now)
        let rate = self.pacingRate
        guard self.pacer.admits(at: rate, at: now) else {
            if !self.streams.isEmpty { self.turns += 1 }
            if self.hasSendable { self.pacer.hold(at: rate) }
            return
        }
        let before = self.counters.payloadBytes
        let last = self.writeChunks(into: &writer, at: now)
        let hasMore = self.hasSendable
        if !hasMore {
            self.pacer.rest()
            if self.chunks.inFlight < self.congestion.window { self.sampler.ranDry(inFlight: self.chunks.inFlight) }
        }
        if self.streams.isEmpty { self.deliveryRate.ranDry() } else if !hasMore { self.turns += 1 }
        guard let last else { return }
        self.pacer.pay(self.counters.payloadBytes - before, at: rate, at: now)
        // Nothing follows at once: the other side need not wait for it (RFC 7053 section 4).
        self.timers.isAcknowledgedAtOnce = !hasMore
        if !hasMore { writer.setFlags(DataChunk.immediate, ofChunkAt: last) }
        self.armTimers(at: now)
    }

    /// Where the last chunk begins that was written, if any was.
    private mutating func writeChunks(into writer: inout PacketWriter, at now: NIODeadline) -> Int? {
        var last: Int?
        let before = self.counters.retransmittedChunks
        while let start = self.writeRetransmission(into: &writer, at: now) { last = start }
        if self.counters.retransmittedChunks != before { self.counters.retransmittedPackets &+= 1 }
        guard self.chunks.lostCount == 0 else { return last }
        while let start = self.writeNew(into: &writer, at: now) { last = start }
        return last
    }

    private var pacingRate: Int? {
        guard let roundTrip = self.shortestRoundTrip, roundTrip > Pacer.shortestRoundTrip else { return nil }
        return self.congestion.pacingRate ?? self.pacer.rate(window: self.congestion.window, roundTrip: roundTrip)
    }

    /// The owner may have measured the path while it was busy, and this association behind a queue of its own: the shorter
    /// round trip of both is that of the path.
    var shortestRoundTrip: TimeAmount? {
        guard let known = self.pathRoundTrip, let measured = self.estimator.minimum else {
            return self.pathRoundTrip ?? self.estimator.minimum
        }
        return min(known, measured)
    }

    /// Whether a packet with something waiting would leave now.
    func isReady(at now: NIODeadline) -> Bool {
        self.hasSendable && self.pacer.admits(at: self.pacingRate, at: now)
    }

    /// Whether the windows let anything out that is waiting.
    var hasSendable: Bool {
        guard self.chunks.lostCount > 0 || !self.streams.isEmpty else { return false }
        if self.timers.mayProbe { return true }
        if self.chunks.lostCount > 0, self.recovery?.mayExceed == true { return true }
        guard self.chunks.inFlight < self.congestion.window || self.chunks.inFlight == 0 else { return false }
        guard self.chunks.lostCount > 0 || self.chunks.count < Self.maximumChunks else { return false }
        return self.chunks.inFlight == 0 || self.peer.window > self.chunks.inFlight
    }

    private mutating func writeRetransmission(into writer: inout PacketWriter, at now: NIODeadline) -> Int? {
        while let tsn = self.chunks.firstLost() {
            let chunk = self.chunks[tsn]
            let index = Int(chunk.message)
            if self.isToBeAbandoned(index, after: chunk, at: now) {
                self.abandon(index, at: now)
                continue
            }
            let length = Int(chunk.length)
            guard writer.room >= self.headerLength + (length + 3) & ~3, self.mayRetransmit(length) else { return nil }
            if self.timers.mayProbe {
                self.timers.mayProbe = false
            } else if self.chunks.inFlight >= self.congestion.window {
                self.recovery?.mayExceed = false
            }
            let start = self.write(tsn, into: &writer, at: now)
            self.counters.retransmittedChunks &+= 1
            self.counters.retransmittedBytes &+= UInt64(length)
            return start
        }
        return nil
    }

    private mutating func mayRetransmit(_ length: Int) -> Bool {
        if self.timers.mayProbe || self.chunks.inFlight == 0 { return true }
        guard self.chunks.inFlight < self.congestion.window || self.recovery?.mayExceed == true else { return false }
        return self.chunks.inFlight + length <= self.peer.window
    }

    private mutating func writeNew(into writer: inout PacketWriter, at now: NIODeadline) -> Int? {
        guard self.chunks.count < Self.maximumChunks else { return nil }
        guard self.timers.mayProbe || self.chunks.inFlight == 0 || self.chunks.inFlight < self.congestion.window else {
            if !self.streams.isEmpty { self.peer.limitedUntil = self.chunks.next }
            return nil
        }
        guard let (stream, index) = self.nextMessage(at: now) else { return nil }
        let rest = self.messages[index].unsent
        let room = (writer.room - self.headerLength) & ~3
        let length = min(rest, min(room, self.limits.packetSize))
        // A stub of a fragment at the end of a packet is not worth its header.
        guard length > 0, length == rest || length >= self.limits.packetSize / 4 else { return nil }
        guard self.fitsPeerWindow(length) else { return nil }
        self.timers.mayProbe = false
        let tsn = self.assign(length, of: index, at: now)
        let start = self.write(tsn, into: &writer, at: now)
        self.deliveryRate.sent(tsn, at: now)
        let counted = self.messages[index].isCounted ? length : 0
        self.streams.didSend(length, counted: counted, of: stream, isLast: length == rest)
        return start
    }

    /// RFC 9260 section 6.1, rule A: one chunk may be sent into a closed window when nothing else is in flight.
    private mutating func fitsPeerWindow(_ length: Int) -> Bool {
        if self.chunks.inFlight + length <= self.peer.window { return true }
        guard self.chunks.inFlight == 0 else { return false }
        self.peer.windowProbe = self.chunks.next
        return true
    }

    /// The first message of the stream whose turn it is. Drops those whose time has passed while they had to wait: what the
    /// owner took long to fetch is sent once.
    private mutating func nextMessage(at now: NIODeadline) -> (stream: Int, message: Int)? {
        while let stream = self.streams.next(), let index = self.streams[stream].messages.first {
            guard case .until(let end) = self.messages[index].reliability, end < now,
                self.messages[index].turn < self.turns
            else { return (stream, index) }
            if self.messages[index].sent > 0 {
                guard self.peer.hasPartialReliability else { return (stream, index) }
                self.abandon(index, at: now)
            } else {
                self.streams.drop(index, bytes: self.messages[index].buffered, of: stream)
                self.messages.remove(index)
                self.counters.abandonedMessages &+= 1
            }
        }
        return nil
    }

    /// Gives the next `length` bytes of a message a TSN.
    private mutating func assign(_ length: Int, of index: Int, at now: NIODeadline) -> Int {
        let stream = self.messages[index].stream
        var flags: UInt8 = self.messages[index].isOrdered ? 0 : DataChunk.unordered
        if self.messages[index].sent == 0 {
            flags |= DataChunk.beginning
            self.number(index, of: stream)
            self.messages[index].firstTSN = self.chunks.next
        }
        if length == self.messages[index].unsent { flags |= DataChunk.ending }
        let chunk = OutstandingChunk(
            state: .inFlight,
            flags: flags,
            length: UInt16(truncatingIfNeeded: length),
            message: Int32(truncatingIfNeeded: index),
            offset: Int32(truncatingIfNeeded: self.messages[index].sent),
            fragment: self.messages[index].fragments,
            sentAt: now,
            stamp: self.sampler.stamp(inFlight: self.chunks.inFlight, at: now)
        )
        self.messages[index].sent += length
        self.messages[index].fragments &+= 1
        self.messages[index].chunks += 1
        self.messages[index].lastTSN = self.chunks.next
        self.streams[stream].lastTSN = self.chunks.next
        return self.chunks.append(chunk)
    }

    private mutating func number(_ index: Int, of stream: Int) {
        if self.messages[index].isOrdered {
            self.messages[index].number = self.streams[stream].nextOrdered
            self.streams[stream].nextOrdered &+= 1
        } else if self.streams.isInterleaving {
            self.messages[index].number = self.streams[stream].nextUnordered
            self.streams[stream].nextUnordered &+= 1
        }
    }

    private var headerLength: Int {
        self.streams.isInterleaving ? DataChunk.interleavedHeaderLength : DataChunk.headerLength
    }

    /// Writes a chunk that has its TSN. Returns where it begins.
    private mutating func write(_ tsn: Int, into writer: inout PacketWriter, at now: NIODeadline) -> Int {
        self.counters.transmissions += 1
        if self.chunks[tsn].state == .lost {
            self.chunks[tsn].stamp = self.sampler.stamp(inFlight: self.chunks.inFlight, at: now)
            self.chunks.set(.inFlight, of: tsn)
        }
        self.chunks[tsn].sentAt = now
        self.chunks[tsn].order = self.counters.transmissions
        self.chunks[tsn].transmissions &+= 1
        self.transmissions.append(Transmission(tsn: tsn, order: self.counters.transmissions))
        let chunk = self.chunks[tsn]
        let start = writer.count
        let message = self.messages[Int(chunk.message)]
        let header = DataChunk.Header(
            tsn: UInt32(truncatingIfNeeded: tsn),
            stream: self.streams[message.stream].id,
            number: message.number,
            flags: chunk.flags,
            protocolIdentifier: message.protocolIdentifier,
            fragment: chunk.fragment
        )
        header.write(isInterleaved: self.streams.isInterleaving, into: &writer)
        message.payload.withUnsafeReadableBytes { bytes in
            let offset = Int(chunk.offset)
            writer.write(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(chunk.length)]))
        }
        writer.endChunk()
        self.counters.payloadBytes += Int(chunk.length)
        self.congestion.didSend(Int(chunk.length), inFlight: self.chunks.inFlight, at: now)
        return start
    }
}

/// Counts that only grow.
struct SendCounters {
    /// Transmissions of DATA chunks, first and repeated.
    var transmissions = 0
    /// Their payload.
    var payloadBytes = 0
    var retransmittedChunks: UInt64 = 0
    /// Packets with any of them.
    var retransmittedPackets: UInt64 = 0
    var retransmittedBytes: UInt64 = 0
    var spuriousRetransmissions: UInt64 = 0
    var abandonedMessages: UInt64 = 0
}
