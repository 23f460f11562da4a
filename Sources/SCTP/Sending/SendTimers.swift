import NIOCore

/// What wakes a sender up, and what it knows then.
struct SendTimers {
    /// T3-rtx (RFC 9260 section 6.3.2).
    var retransmission: NIODeadline?
    /// The probe time-out (RFC 8985 section 7.2).
    var probe: NIODeadline?
    /// When a chunk that others have overtaken counts as lost (RFC 8985 section 6.3).
    var reordering: NIODeadline?
    /// The last packet asked to be acknowledged at once.
    var isAcknowledgedAtOnce = false
    /// A probe is due: one chunk may leave whatever the congestion window says.
    var mayProbe = false
    /// The probe that has been sent and not answered.
    var probed: Probe?
    /// Time-outs since the other side was last heard of.
    var timeouts = 0
    var lastSentAt: NIODeadline?

    struct Probe {
        var tsn: Int
        var isRetransmission: Bool
        var sentAt: NIODeadline
    }

    /// Below this a timer of the host tells nothing.
    static let leastProbe = TimeAmount.milliseconds(25)

    var deadline: NIODeadline? {
        var least = self.retransmission
        if let probe { least = min(least ?? probe, probe) }
        if let reordering { least = min(least ?? reordering, reordering) }
        return least
    }
}

extension DataSender {
    /// A packet with DATA is about to leave.
    mutating func armTimers(at now: NIODeadline) {
        self.timers.lastSentAt = now
        if self.timers.retransmission == nil { self.restartRetransmissionTimer(at: now) }
        self.armProbe(at: now)
    }

    mutating func restartRetransmissionTimer(at now: NIODeadline) {
        let isNeeded = !self.chunks.isEmpty
        self.timers.retransmission = isNeeded ? now + self.estimator.timeout : nil
        if !isNeeded {
            self.timers.probe = nil
            self.timers.reordering = nil
        }
    }

    /// Two round trips after the last transmission, and as much longer as the other side may wait before it acknowledges.
    private mutating func armProbe(at now: NIODeadline) {
        self.timers.probe = nil
        guard self.recovery == nil, self.timers.probed == nil, self.chunks.inFlight > 0 else { return }
        guard let smoothed = self.estimator.smoothed, self.timers.timeouts == 0 else { return }
        let patience = smoothed * 2 + (self.timers.isAcknowledgedAtOnce ? .zero : self.peerDelay)
        let due = now + max(patience, SendTimers.leastProbe)
        if let retransmission = self.timers.retransmission, due >= retransmission { return }
        self.timers.probe = due
    }

    /// A window that has not been used for a while says little about the path (RFC 9260 section 7.2.1).
    mutating func noteIdleTime(at now: NIODeadline) {
        guard self.chunks.isEmpty, let last = self.timers.lastSentAt, !self.streams.isEmpty else { return }
        let timeout = self.estimator.timeout
        let idle = now - last
        guard idle > timeout else { return }
        self.congestion.didIdle(timeouts: Int(idle.nanoseconds / max(1, timeout.nanoseconds)), at: now)
    }

    /// When `handleTimeout(at:)` has something to do, or a packet may leave that had to wait.
    var deadline: NIODeadline? {
        guard let paced = self.pacer.deadline else { return self.timers.deadline }
        return min(self.timers.deadline ?? paced, paced)
    }

    /// Does what is due. False when the other side has to be given up.
    mutating func handleTimeout(at now: NIODeadline) -> Bool {
        if let paced = self.pacer.deadline, paced <= now { self.pacer.release() }
        if let reordering = self.timers.reordering, reordering <= now { self.detectLosses(at: now) }
        if let probe = self.timers.probe, probe <= now { self.sendProbe(at: now) }
        guard let retransmission = self.timers.retransmission, retransmission <= now else { return true }
        return self.timeOut(at: now)
    }

    /// Sends something new, or the last again (RFC 8985 section 7.3).
    private mutating func sendProbe(at now: NIODeadline) {
        self.timers.probe = nil
        guard self.chunks.inFlight > 0 else { return }
        let isNew = !self.streams.isEmpty && self.peer.window > self.chunks.inFlight + self.limits.packetSize
        var tsn = self.chunks.next
        if !isNew {
            tsn -= 1
            while tsn > self.chunks.first, self.chunks[tsn].state != .inFlight { tsn -= 1 }
            guard self.chunks[tsn].state == .inFlight else { return }
            self.chunks.set(.lost, of: tsn)
        }
        self.timers.mayProbe = true
        self.timers.probed = SendTimers.Probe(tsn: tsn, isRetransmission: !isNew, sentAt: now)
        self.restartRetransmissionTimer(at: now)
    }

    /// RFC 9260 section 6.3.3.
    private mutating func timeOut(at now: NIODeadline) -> Bool {
        // What is known as given up has to be told again, too.
        if self.forward.tsn > self.chunks.cumulative { self.forward.isDue = true }
        guard !self.chunks.isEmpty else {
            self.timers.retransmission = nil
            return true
        }
        self.timers.timeouts += 1
        if let limit = self.limits.maximumTimeouts, self.timers.timeouts > limit { return false }
        let isProbingWindow = self.peer.windowProbe.map { self.chunks.isOutstanding($0) } ?? false
        self.timers.probed = nil
        self.timers.mayProbe = false
        self.takeBackPromises()
        if self.chunks.inFlight > 0, !isProbingWindow {
            self.congestion.didTimeOut(inFlight: self.chunks.inFlight, at: now)
            self.suspicions.began()
        }
        for tsn in self.chunks.first..<self.chunks.next where self.chunks[tsn].state == .inFlight {
            self.chunks.set(.lost, of: tsn)
            self.suspicions.add(tsn)
        }
        self.transmissions.removeAll()
        self.recovery = Recovery(end: self.chunks.next - 1, mayExceed: false)
        self.estimator.backOff()
        self.timers.probe = nil
        self.timers.reordering = nil
        self.restartRetransmissionTimer(at: now)
        return true
    }

    /// The first chunk should be acknowledged cumulatively if it has arrived: the other side has thrown away what gap blocks
    /// had named (RFC 9260 section 6.2.1, rule D iii). All of it is sent again.
    private mutating func takeBackPromises() {
        guard self.chunks[self.chunks.first].state == .acknowledged else { return }
        for tsn in self.chunks.first..<self.chunks.next where self.chunks[tsn].state == .acknowledged {
            self.chunks.set(.lost, of: tsn)
            self.chunks.reported.remove(tsn)
        }
    }
}
