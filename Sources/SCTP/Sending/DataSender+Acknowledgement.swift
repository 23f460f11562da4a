import NIOCore

/// What the other side did that no sound implementation does.
struct ProtocolViolation: Error {
    var reason: String
}

// Acknowledgements (RFC 9260 section 6.2.1) and what follows from them.
extension DataSender {
    /// What one acknowledgement brings.
    private struct Progress {
        var bytes = 0
        /// A chunk that was sent once, and last among those.
        var measured: (order: Int, sentAt: NIODeadline)?
        var isWindowLimited = false
    }

    /// Takes a SACK.
    ///
    /// - Throws: `ProtocolViolation` when it acknowledges what was never sent.
    mutating func acknowledge(_ sack: SelectiveAcknowledgement, at now: NIODeadline) throws(ProtocolViolation) {
        let cumulative = SequenceNumber.unwrap(sack.cumulative, near: self.chunks.cumulative)
        guard cumulative < self.chunks.next else {
            throw ProtocolViolation(reason: "TSN \(sack.cumulative) was acknowledged, but never sent")
        }
        // An old one that has been overtaken (rule D i).
        guard cumulative >= self.chunks.cumulative else { return }
        let before = self.chunks.inFlight
        self.timers.timeouts = 0
        var progress = Progress()
        progress.isWindowLimited = self.chunks.first < self.peer.limitedUntil
        let hasAdvanced = cumulative > self.chunks.cumulative
        while self.chunks.cumulative < cumulative {
            self.arrived(self.chunks.first, &progress, at: now)
            self.removeFirst()
        }
        self.takeGaps(of: sack, &progress, at: now)
        self.takeDuplicates(of: sack)
        self.peer.window = Int(sack.window)
        self.retryWindowProbe()
        self.judgeProbe(at: now)

        var roundTrip: TimeAmount?
        if let measured = progress.measured {
            roundTrip = now - measured.sentAt
            self.estimator.measured(now - measured.sentAt, at: now)
        } else if progress.bytes > 0 {
            self.estimator.progressed()
        }
        self.endRecovery()
        if hasAdvanced || progress.bytes > 0 { self.restartRetransmissionTimer(at: now) }
        self.detectLosses(at: now)
        self.moveForwardPoint(at: now)
        self.deliveryRate.acknowledged(progress.bytes, to: self.chunks.cumulative, at: now)
        guard progress.bytes > 0 else { return }
        self.congestion.didAcknowledge(
            Acknowledgement(
                bytes: progress.bytes,
                inFlightBefore: before,
                inFlight: self.chunks.inFlight,
                isWindowLimited: progress.isWindowLimited,
                isInRecovery: self.recovery != nil,
                roundTrip: roundTrip,
                leastRoundTrip: self.shortestRoundTrip,
                sample: self.sampler.sample(at: now),
                delivered: self.sampler.delivered,
                lost: self.sampler.lost,
                packetsPerAcknowledgement: self.packetsPerAcknowledgement,
                at: now
            )
        )
    }

    /// What the other side was told it may leave unacknowledged, if it knows the wish.
    private var packetsPerAcknowledgement: Int {
        self.peer.acknowledgements == nil ? 2 : max(2, self.limits.packetsPerAcknowledgement)
    }

    // MARK: - Chunks that have arrived

    private mutating func takeGaps(of sack: SelectiveAcknowledgement, _ progress: inout Progress, at now: NIODeadline) {
        var newly: [Int] = []
        for index in 0..<sack.gapCount {
            let gap = sack.gap(index)
            // Beyond what was sent: a mistake, or an attempt; it says nothing about what was.
            let start = self.chunks.cumulative + gap.start
            let end = min(self.chunks.cumulative + gap.end, self.chunks.next - 1)
            guard gap.start > 0, start <= end else { continue }
            self.chunks.reported.forEachMissing(in: start..<(end + 1)) { newly.append($0) }
            for tsn in newly {
                self.chunks.reported.insert(tsn)
                self.arrived(tsn, &progress, at: now)
                if self.chunks[tsn].state != .abandoned { self.chunks.set(.acknowledged, of: tsn) }
            }
            newly.removeAll(keepingCapacity: true)
        }
    }

    /// A chunk is acknowledged, perhaps not for the first time.
    private mutating func arrived(_ tsn: Int, _ progress: inout Progress, at now: NIODeadline) {
        let chunk = self.chunks[tsn]
        switch chunk.state {
        case .acknowledged, .abandoned: return
        case .lost: self.refute(tsn)
        case .inFlight: break
        }
        progress.bytes += Int(chunk.length)
        self.sampler.arrived(chunk, at: now)
        self.loss.arrived(chunk, tsn: tsn, leastRoundTrip: self.estimator.minimum, at: now)
        // Karn's rule: what was sent twice does not tell which of them is answered (section 6.3.1, rule C5).
        if chunk.transmissions == 1, chunk.order > progress.measured?.order ?? 0 {
            progress.measured = (chunk.order, chunk.sentAt)
        }
    }

    /// The first chunk leaves for good.
    private mutating func removeFirst() {
        let index = Int(self.chunks[self.chunks.first].message)
        self.chunks.removeFirst()
        self.messages[index].chunks -= 1
        if self.messages[index].chunks == 0, self.messages[index].isAbandoned || self.messages[index].unsent == 0 {
            self.messages.remove(index)
        }
    }

    private mutating func takeDuplicates(of sack: SelectiveAcknowledgement) {
        for index in 0..<sack.duplicateCount {
            let tsn = SequenceNumber.unwrap(sack.duplicate(index), near: self.chunks.cumulative)
            if tsn == self.timers.probed?.tsn { self.timers.probed = nil }
            self.refute(tsn)
        }
    }

    private mutating func refute(_ tsn: Int) {
        let (isSpurious, isUndone) = self.suspicions.refute(tsn)
        guard isSpurious else { return }
        self.counters.spuriousRetransmissions &+= 1
        self.loss.wasSpurious()
        guard isUndone else { return }
        self.congestion.undo()
        self.recovery = nil
    }

    // MARK: - Losses

    /// Finds what is lost by now, and when the next will be (RFC 8985 section 6.2, step 5).
    mutating func detectLosses(at now: NIODeadline) {
        self.timers.reordering = nil
        guard let newest = self.loss.newest else { return }
        let window = self.loss.window(
            self.estimator,
            acknowledgedByGaps: self.chunks.acknowledgedCount,
            isInRecovery: self.recovery != nil
        )
        let before = self.chunks.inFlight
        var hasLost = false
        while let transmission = self.transmissions.first {
            if self.isCurrent(transmission) {
                guard transmission.order < newest.order else { break }
                let due = self.chunks[transmission.tsn].sentAt + newest.roundTrip + window
                guard due <= now else {
                    self.timers.reordering = due
                    break
                }
                hasLost = true
                self.lose(transmission.tsn, inFlight: before, at: now)
            }
            self.transmissions.removeFirst()
        }
        if hasLost { self.timers.probe = nil }
    }

    /// Whether a transmission is its chunk's last, and still on its way.
    private func isCurrent(_ transmission: Transmission) -> Bool {
        guard self.chunks.isOutstanding(transmission.tsn) else { return false }
        let chunk = self.chunks[transmission.tsn]
        return chunk.state == .inFlight && chunk.order == transmission.order
    }

    private mutating func lose(_ tsn: Int, inFlight: Int, at now: NIODeadline) {
        if self.recovery == nil {
            self.recovery = Recovery(end: self.chunks.next - 1)
            self.congestion.didLose(inFlight: inFlight, at: now)
            self.suspicions.began()
        }
        self.suspicions.add(tsn)
        self.sampler.lost(Int(self.chunks[tsn].length))
        self.chunks.set(.lost, of: tsn)
    }

    private mutating func endRecovery() {
        guard let recovery, self.chunks.cumulative >= recovery.end else { return }
        self.recovery = nil
        self.loss.recovered()
    }

    /// A probe that repeated the last chunk and was answered has repaired a loss, unless that had arrived before (RFC 8985
    /// section 7.4).
    private mutating func judgeProbe(at now: NIODeadline) {
        guard let probed = self.timers.probed else { return }
        if self.chunks.isOutstanding(probed.tsn), self.chunks[probed.tsn].state != .acknowledged { return }
        self.timers.probed = nil
        guard probed.isRetransmission, self.recovery == nil else { return }
        guard now - probed.sentAt >= self.estimator.minimum ?? .zero else { return }
        self.congestion.didLose(inFlight: self.chunks.inFlight, at: now)
        self.suspicions.began()
        self.suspicions.add(probed.tsn)
    }

    /// The window has opened: what had been sent into the closed one was dropped, and need not wait for its time-out.
    private mutating func retryWindowProbe() {
        guard let tsn = self.peer.windowProbe else { return }
        guard self.chunks.isOutstanding(tsn), self.chunks[tsn].state == .inFlight else {
            return self.peer.windowProbe = nil
        }
        guard self.peer.window >= Int(self.chunks[tsn].length) else { return }
        self.peer.windowProbe = nil
        self.chunks.set(.lost, of: tsn)
    }
}
