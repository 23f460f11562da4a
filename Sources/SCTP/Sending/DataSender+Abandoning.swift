import NIOCore

/// What the other side is told no longer to wait for (RFC 3758 section 3.5).
struct ForwardPoint {
    /// Advanced.Peer.Ack.Point.
    var tsn: Int
    var isDue = false
    var sentAt: NIODeadline?
}

// Messages that are given up.
extension DataSender {
    /// Whether a chunk that was lost is not to be sent again.
    func isToBeAbandoned(_ message: Int, after chunk: OutstandingChunk, at now: NIODeadline) -> Bool {
        guard self.peer.hasPartialReliability else { return false }
        switch self.messages[message].reliability {
        case .reliable: return false
        case .until(let end): return end < now
        case .retransmissions(let limit): return chunk.transmissions > limit
        }
    }

    /// Gives up a message of which something has been sent.
    mutating func abandon(_ index: Int, at now: NIODeadline) {
        guard !self.messages[index].isAbandoned else { return }
        self.counters.abandonedMessages &+= 1
        self.messages[index].isAbandoned = true
        for tsn in self.messages[index].firstTSN...self.messages[index].lastTSN
        where self.chunks.isOutstanding(tsn) && Int(self.chunks[tsn].message) == index {
            self.chunks.set(.abandoned, of: tsn)
        }
        if self.messages[index].unsent > 0 { self.endUnsent(index, at: now) }
        self.messages[index].payload = ByteBuffer()
        self.messages[index].sent = 0
        self.moveForwardPoint(at: now)
    }

    /// The other side may have all that has been sent: only a TSN beyond, which never will be, makes it let go.
    private mutating func endUnsent(_ index: Int, at now: NIODeadline) {
        let stream = self.messages[index].stream
        self.streams.drop(index, bytes: self.messages[index].buffered, of: stream)
        let ending = OutstandingChunk(
            state: .abandoned,
            flags: DataChunk.ending | (self.messages[index].isOrdered ? 0 : DataChunk.unordered),
            length: 0,
            message: Int32(truncatingIfNeeded: index),
            offset: 0,
            fragment: self.messages[index].fragments,
            sentAt: now,
            stamp: self.sampler.stamp(inFlight: self.chunks.inFlight, at: now)
        )
        self.messages[index].lastTSN = self.chunks.append(ending)
        self.streams[stream].lastTSN = self.messages[index].lastTSN
        self.messages[index].chunks += 1
    }

    /// Rules C1 to C3.
    mutating func moveForwardPoint(at now: NIODeadline) {
        let before = self.forward.tsn
        var tsn = max(before, self.chunks.cumulative)
        while self.chunks.isOutstanding(tsn + 1), self.chunks[tsn + 1].state == .abandoned { tsn += 1 }
        self.forward.tsn = tsn
        guard tsn > self.chunks.cumulative else {
            self.forward.isDue = false
            return
        }
        let pause = self.estimator.smoothed ?? self.estimator.timeout
        if tsn > before || self.forward.sentAt.map({ now - $0 > pause }) ?? true { self.forward.isDue = true }
        if self.timers.retransmission == nil { self.restartRetransmissionTimer(at: now) }
    }

    /// Writes FORWARD-TSN or I-FORWARD-TSN if it is due.
    mutating func writeForward(into writer: inout PacketWriter, at now: NIODeadline) {
        guard self.forward.isDue, self.forward.tsn > self.chunks.cumulative else { return }
        let entryLength = self.streams.isInterleaving ? 8 : 4
        let capacity = (writer.room - 8) / entryLength
        guard capacity > 0 else { return }
        self.forward.isDue = false
        self.forward.sentAt = now
        let (end, entries) = self.forwardEntries(capacity)
        writer.beginChunk(self.streams.isInterleaving ? ChunkType.interleavedForwardTSN : ChunkType.forwardTSN)
        writer.write(UInt32(truncatingIfNeeded: end))
        for entry in entries {
            writer.write(entry.stream)
            if self.streams.isInterleaving {
                writer.write(UInt16(entry.isUnordered ? 1 : 0))
                writer.write(entry.number)
            } else {
                writer.write(UInt16(truncatingIfNeeded: entry.number))
            }
        }
        writer.endChunk()
    }

    private struct ForwardEntry {
        var stream: UInt16
        var isUnordered: Bool
        var number: UInt32
    }

    /// The last message given up of every stream, and how far that goes if a packet has room for so many streams.
    private func forwardEntries(_ capacity: Int) -> (end: Int, entries: [ForwardEntry]) {
        var entries: [ForwardEntry] = []
        var positions: [UInt32: Int] = [:]
        for tsn in self.chunks.first...self.forward.tsn {
            let message = self.messages[Int(self.chunks[tsn].message)]
            // Without interleaving, unordered messages have no number to skip.
            guard message.isOrdered || self.streams.isInterleaving else { continue }
            let stream = self.streams[message.stream].id
            let key = UInt32(stream) << 1 | (message.isOrdered ? 0 : 1)
            if let position = positions[key] {
                entries[position].number = message.number
                continue
            }
            guard entries.count < capacity else { return (tsn - 1, entries) }
            positions[key] = entries.count
            entries.append(ForwardEntry(stream: stream, isUnordered: !message.isOrdered, number: message.number))
        }
        return (self.forward.tsn, entries)
    }
}

extension DataSender {
    /// Whether all that was handed over on a stream before it is reset has been sent and acknowledged, or given up.
    func isSettled(_ stream: UInt16) -> Bool {
        guard let index = self.streams.existing(stream) else { return true }
        return self.streams[index].messages.isEmpty && self.streams[index].lastTSN <= self.chunks.cumulative
    }

    /// Drops what waits on a stream. A message of which a part has been sent goes on if the other side knows no FORWARD-TSN.
    mutating func dropQueue(of stream: UInt16, at now: NIODeadline) {
        guard let position = self.streams.existing(stream) else { return }
        for index in Array(self.streams[position].messages) + self.streams[position].afterReset {
            if self.messages[index].sent == 0 {
                self.streams.drop(index, bytes: self.messages[index].buffered, of: position)
                self.messages.remove(index)
            } else if self.peer.hasPartialReliability {
                self.abandon(index, at: now)
            }
        }
    }
}
