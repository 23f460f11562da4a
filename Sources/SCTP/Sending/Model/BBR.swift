public import NIOCore

/// A congestion control that models the path: the rate of its narrowest place and its round trip without a queue. It sends at
/// that rate, keeps in flight what that takes, and now and then tries whether more gets through. BBR, version 3, as
/// draft-ietf-ccwg-bbr-06 describes it, but for what counts as congestion (`CongestionJudge`), for streams that do not fill
/// the path, and for paths of less than 2 ms, which stay with `Reno`.
///
/// All amounts are bytes of payload, all rates bytes a second.
public struct BBR: CongestionControl {
    /// See `CongestionControl`.
    public private(set) var window: Int
    /// See `CongestionControl`.
    public var pacingRate: Int? { self.isShort ? nil : Int(clamping: Int64(max(1, min(self.rate, 1e12)))) }

    /// Where the round trip is that of this machine and its neighbours, the model has nothing to measure.
    private var reno: Reno
    private var isShort = false
    private var phase = BBRPhase()
    private var floor = RoundTripFloor()
    private var bandwidth = BandwidthFilter()
    private var rounds = RoundMeter()
    private var pipe = PipeGauge()
    private var bursts = AcknowledgementBursts()
    private var bounds = PathBounds()
    private var start: StartWindow
    private var saved: Saved?
    /// The window of the model, and the rate.
    private var modelled: Int
    private var rate: Double
    private let packetSize: Int

    /// What a loss that turns out to be none gives back.
    private struct Saved {
        var modelled: Int
        var bandwidth: BandwidthFilter
        var bounds: PathBounds
        var start: StartWindow
        var phase: BBRPhase
    }

    /// `BBR.MinPipeCwnd` in packets.
    private static let minimumPackets = 4
    private static let maximumWindow = 1 << 26
    /// 1 - `BBR.PacingMarginPercent`.
    private static let margin = 0.99
    /// Of a round trip that has not been measured.
    private static let supposedRoundTrip = TimeAmount.milliseconds(100)
    /// Without an answer between them.
    private static let persistentTimeouts = 2

    /// - Parameter packetSize: payload of a full packet in bytes.
    public init(packetSize: Int) {
        self.packetSize = max(1, packetSize)
        self.reno = Reno(packetSize: packetSize)
        self.start = StartWindow(packetSize: self.packetSize)
        self.modelled = self.start.bytes
        self.window = self.modelled
        self.rate = 0
        self.setRate()
    }

    /// See `CongestionControl`.
    public mutating func didSend(_ bytes: Int, inFlight: Int, at now: NIODeadline) {
        self.rounds.sent(bytes, inFlight: inFlight)
    }

    /// See `CongestionControl`.
    public mutating func didAcknowledge(_ acknowledgement: Acknowledgement) {
        self.reno.didAcknowledge(acknowledgement)
        self.start.delivered(acknowledgement.bytes)
        if let roundTrip = acknowledgement.roundTrip { self.floor.take(roundTrip, at: acknowledgement.at) }
        let least = acknowledgement.leastRoundTrip ?? self.floor.minimum
        self.isShort = least.map { $0 <= Pacer.shortestRoundTrip } ?? false
        let sample = acknowledgement.sample
        let rate = sample?.rate(least: self.floor.minimum ?? .zero)
        if let sample, let rate { self.bandwidth.take(rate, isLimited: sample.isLimited) }
        let isRoundOver = self.rounds.take(acknowledgement, bandwidth: rate)
        self.bursts.take(
            acknowledgement.bytes,
            bandwidth: self.bandwidth.maximum,
            window: self.modelled,
            round: self.rounds.count,
            at: acknowledgement.at
        )
        if isRoundOver { self.endRound(acknowledgement) }
        self.movePhase(acknowledgement)
        self.setRate()
        self.setWindow(acknowledgement.bytes)
    }

    /// See `CongestionControl`.
    public mutating func didLose(inFlight: Int, at now: NIODeadline) {
        self.reno.didLose(inFlight: inFlight, at: now)
        self.save()
        self.publish()
    }

    /// See `CongestionControl`.
    public mutating func didTimeOut(inFlight: Int, at now: NIODeadline) {
        self.reno.didTimeOut(inFlight: inFlight, at: now)
        if self.start.timeouts == 0 { self.save() }
        self.start.timeouts += 1
        self.modelled = self.packetSize
        if self.start.timeouts >= Self.persistentTimeouts {
            // Nothing comes back: what is known of the path is no longer true, and one packet asks again, each time later.
            self.bandwidth.forget()
            self.bounds = PathBounds()
            self.start.collapse()
            self.enterStartup(at: now)
            self.setRate()
        }
        self.publish()
    }

    /// See `CongestionControl`.
    public mutating func undo() {
        self.reno.undo()
        if let saved = self.saved {
            (self.bandwidth, self.bounds, self.start) = (saved.bandwidth, saved.bounds, saved.start)
            self.modelled = max(self.modelled, saved.modelled)
            self.phase = saved.phase
            self.rounds.forgive()
            self.saved = nil
        }
        self.publish()
    }

    /// See `CongestionControl`.
    public mutating func didIdle(timeouts: Int, at now: NIODeadline) {
        self.reno.didIdle(timeouts: timeouts, at: now)
        // Whatever queue there was has run empty (draft, section 5.4.1).
        self.floor.looked(at: now)
        self.publish()
    }

    private mutating func save() {
        self.saved = Saved(
            modelled: self.modelled,
            bandwidth: self.bandwidth,
            bounds: self.bounds,
            start: self.start,
            phase: self.phase
        )
    }

    // MARK: - Phases (section 5.3)

    private mutating func endRound(_ acknowledgement: Acknowledgement) {
        let round = self.rounds.last
        let isQueued = CongestionJudge.isQueued(round.roundTrip, self.floor.minimum)
        let isCongested = CongestionJudge.isCongested(
            self.rounds,
            minimum: self.floor.minimum,
            isProbing: self.phase.isProbing(in: self.rounds.count),
            packetSize: self.packetSize
        )
        if isQueued || isCongested { self.start.hasMetQueue = true }
        if isCongested {
            self.answerCongestion(round, at: acknowledgement.at)
        } else {
            self.bounds.carried(self.rounds.previous.inFlight)
        }
        self.rounds.noteLoss(isHarmless: !isQueued && !isCongested)
        self.pipe.take(round)
        let age = self.rounds.count - self.phase.round
        switch self.phase.state {
        case .startup where self.pipe.isFull: self.enter(.drain, at: acknowledgement.at)
        case .drain where age >= BBRPhase.drainRounds: self.enter(.down, at: acknowledgement.at)
        case .refill where age >= 1:
            self.pipe.reset()
            self.enter(.up, at: acknowledgement.at)
        case .up where self.pipe.isFull:
            self.enter(.down, at: acknowledgement.at)
        case .up where acknowledgement.isWindowLimited:
            self.bounds.widen(by: Double(self.packetSize << min(age, BBRPhase.mostDoublings)))
        case .down, .cruise:
            // A stream that never filled the path, and now has a key frame to send.
            guard !self.start.hasMetQueue, !round.isLimited, self.rounds.previous.isLimited else { break }
            self.enterStartup(at: acknowledgement.at)
        default: break
        }
    }

    private mutating func answerCongestion(_ round: RoundMeter.Round, at now: NIODeadline) {
        switch self.phase.state {
        case .startup:
            self.bounds.overflowed(inFlight: Double(round.delivered), target: self.product)
            self.enter(.drain, at: now)
        case .up:
            self.boundProbe(round)
            self.enter(.down, at: now)
        case .down where self.phase.isProbing(in: self.rounds.count),
            .cruise where self.phase.isProbing(in: self.rounds.count):
            // What was lost was sent a round ago, before the probe ended.
            self.boundProbe(round)
        default:
            self.bounds.tighten(after: round, window: self.modelled, bandwidth: self.bandwidth.maximum)
        }
    }

    private mutating func boundProbe(_ round: RoundMeter.Round) {
        let inFlight = Double(self.rounds.previous.inFlight) * (1 - round.lossRate)
        self.bounds.overflowed(inFlight: inFlight, target: self.product)
    }

    /// What does not wait for the end of a round.
    private mutating func movePhase(_ acknowledgement: Acknowledgement) {
        let now = acknowledgement.at
        if self.phase.state != .probeRoundTrip, self.floor.isStale(at: now) { self.enter(.probeRoundTrip, at: now) }
        let inFlight = Double(acknowledgement.inFlight)
        switch self.phase.state {
        case .drain where inFlight <= self.product: self.enter(.down, at: now)
        case .down where inFlight <= self.headroom: self.enter(.cruise, at: now)
        case .down, .cruise:
            guard self.phase.isTimeToProbe(at: now, round: self.rounds.count, packets: self.packetsInPath) else {
                break
            }
            self.bounds.loosen()
            self.enter(.refill, at: now)
        case .probeRoundTrip: self.lookAtRoundTrip(inFlight, at: now)
        case .up where self.rounds.count > self.phase.round:
            guard CongestionJudge.isQueued(acknowledgement.roundTrip, self.floor.minimum) else { break }
            self.enter(.down, at: now)
        default: break
        }
    }

    private mutating func lookAtRoundTrip(_ inFlight: Double, at now: NIODeadline) {
        let target = max(BBRPhase.roundTripGain * self.product, Double(Self.minimumPackets * self.packetSize))
        guard self.phase.isEmptied(inFlight <= target, at: now, round: self.rounds.count) else { return }
        self.floor.looked(at: now)
        if self.phase.isFull { self.enter(.down, at: now) } else { self.enterStartup(at: now) }
    }

    private mutating func enterStartup(at now: NIODeadline) {
        self.pipe.reset()
        self.phase.isFull = false
        self.enter(.startup, at: now)
    }

    private mutating func enter(_ state: BBRPhase.State, at now: NIODeadline) {
        if state == .drain { self.phase.isFull = true }
        if self.phase.state == .up, state == .down { self.bandwidth.advance() }
        self.phase.enter(state, at: now, round: self.rounds.count)
    }

    // MARK: - What follows from the model (section 5.6)

    private var currentBandwidth: Double { min(self.bandwidth.maximum, self.bounds.bandwidth ?? .infinity) }

    /// Bytes that fill the path and no queue: `BBR.bdp`.
    private var product: Double {
        let least = self.floor.minimum ?? Self.supposedRoundTrip
        return self.currentBandwidth * Double(least.nanoseconds) / 1e9
    }

    private var packetsInPath: Int { Int(self.product) / self.packetSize }

    /// What leaves room for others.
    private var headroom: Double {
        min(self.product, self.bounds.longTerm.map { $0 * PathBounds.usable } ?? .infinity)
    }

    private mutating func setRate() {
        // What arrives is less than what the narrowest place lets through, if something behind it loses.
        let rate = self.phase.pacingGain * self.currentBandwidth * Self.margin / (1 - self.rounds.harmlessLoss)
        guard !self.phase.isFull else { return self.rate = rate }
        // Startup only speeds up.
        let least = self.floor.minimum ?? Self.supposedRoundTrip
        let first = BBRPhase.startupGain * Double(self.start.bytes) * 1e9 / Double(max(1, least.nanoseconds))
        self.rate = max(rate, first)
    }

    private mutating func setWindow(_ acknowledged: Int) {
        let least = Self.minimumPackets * self.packetSize
        // `BBR.offload_budget`: a burst of the pacer's.
        let budget = max(Double(2 * self.packetSize), self.rate / 1e3)
        let extra = Double(self.bursts.maximum) + budget
        let target = self.phase.windowGain * self.product + (self.phase.state == .probeRoundTrip ? 0 : extra)
        let full = Int(min(target, Double(Self.maximumWindow)))
        if self.phase.isFull {
            self.modelled = min(self.modelled + acknowledged, full)
        } else if self.modelled < full {
            self.modelled += acknowledged
        }
        if self.phase.state == .startup { self.modelled = max(self.modelled, self.start.bytes) }
        var bound = self.bounds.shortTerm ?? .infinity
        switch self.phase.state {
        case .startup, .drain: break
        case .cruise, .probeRoundTrip:
            bound = min(bound, self.bounds.longTerm.map { $0 * PathBounds.usable } ?? .infinity)
        case .down, .refill, .up: bound = min(bound, self.bounds.longTerm ?? .infinity)
        }
        self.modelled = Int(min(Double(self.modelled), bound, Double(Self.maximumWindow)))
        if self.start.timeouts == 0 { self.modelled = max(self.modelled, least) }
        self.publish()
    }

    private mutating func publish() {
        self.window = self.isShort ? self.reno.window : self.modelled
    }
}

/// What may be in flight before anything is known of the path.
struct StartWindow {
    /// Ten packets (RFC 6928). What is delivered adds to it, also where the owner has little to send, up to 32, so that the
    /// first key frame of a stream of small pictures does not begin from nothing; it is paced.
    private(set) var bytes: Int
    /// A round trip or a loss has told of a queue.
    var hasMetQueue = false
    /// Since the other side was last heard of.
    var timeouts = 0
    private let packetSize: Int

    private static let firstPackets = 10
    private static let mostPackets = 32

    init(packetSize: Int) {
        self.packetSize = packetSize
        self.bytes = Self.firstPackets * packetSize
    }

    mutating func delivered(_ bytes: Int) {
        self.timeouts = 0
        self.bytes = max(self.bytes, min(self.bytes + bytes, Self.mostPackets * self.packetSize))
    }

    /// Begins from one packet.
    mutating func collapse() {
        self.bytes = self.packetSize
        self.hasMetQueue = true
    }
}
