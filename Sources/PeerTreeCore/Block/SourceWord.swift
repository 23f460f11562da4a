/// What the source has said of its stream as a whole, as far as a peer knows: what it measures its neighbours by, and
/// passes on.
struct SourceWord<Buffer: FrameBuffer> {
    /// A pulse, and the frame that proves it.
    struct Pulse {
        let pulse: SourcePulse
        let frame: Buffer
    }

    /// What a pulse turned out to be.
    enum Verdict {
        /// News.
        case new
        /// Known, or older than what is known.
        case known
        /// Of another stream, or older than ``SourceWord/maximumAge``.
        case stale
    }

    /// Which stream this is, by the newest head.
    private(set) var head: SourceHead?
    /// The frame that proves it.
    private(set) var headFrame: Buffer?
    /// The newest pulse that tells of nothing but what is here.
    private(set) var pulse: Pulse?
    /// Those that tell of what is still to come here, by their clocks.
    private var early: [Pulse] = []
    /// The server's, if the server has said what it shows.
    private var clock: WallClock?
    /// Where a parent said that the stream goes on, and when by the server's clock; nil once that is known to be true.
    private(set) var claim: (start: UInt64, at: UInt64)?

    /// A pulse of which the source's clock is so far behind the server's proves nothing, in microseconds.
    private static var maximumAge: UInt64 { 60_000_000 }
    /// So far apart two ends' ideas of the server's clock may be, in microseconds.
    private static var clockError: UInt64 { 2_000_000 }
    /// So many pulses wait for what they tell of.
    private static var maximumEarly: Int { 16 }

    // MARK: The clock

    /// The server says what its clock shows.
    mutating func set(_ unixMicroseconds: UInt64, at now: Instant) {
        clock = WallClock(unixMicroseconds, at: now)
    }

    /// What the server's clock shows; nil if it never said.
    func reading(at now: Instant) -> UInt64? { clock?.reading(at: now) }

    private func isStale(_ clock: UInt64, at now: Instant) -> Bool {
        reading(at: now).map { clock.addingSaturating(Self.maximumAge) < $0 } ?? false
    }

    // MARK: The head

    /// - Returns: whether this is another one than before.
    mutating func learn(_ head: SourceHead, _ frame: Buffer) -> Bool {
        guard head.supersedes(self.head) else { return false }
        self.head = head
        headFrame = frame
        pulse = nil
        early.removeAll()
        return true
    }

    /// Whether this is the source's stream, and told of lately: nobody can show an older one.
    func admits(_ streamID: UInt64, at now: Instant) -> Bool {
        head?.streamID.high == streamID && newest.map { !isStale($0.pulse.clock, at: now) } ?? false
    }

    // MARK: Pulses

    /// The newest of all, whatever it tells of.
    var newest: Pulse? { early.last ?? pulse }

    /// What a newcomer is sent: the newest pulse that tells of nothing but what is here, and the newest of all.
    var frames: [Buffer] {
        let both = early.isEmpty ? [pulse] : [pulse, newest]
        return both.compactMap { $0?.frame }
    }

    mutating func hear(_ pulse: SourcePulse, _ frame: Buffer, at now: Instant) -> Verdict {
        guard pulse.streamID == head?.streamID, !isStale(pulse.clock, at: now) else { return .stale }
        guard newest.map({ $0.pulse.clock < pulse.clock }) ?? true else { return .known }
        if early.count >= Self.maximumEarly { early.removeLast() }
        early.append(Pulse(pulse: pulse, frame: frame))
        return .new
    }

    /// More of the stream is here.
    ///
    /// - Parameter end: one past it.
    mutating func advance(to end: UInt64) {
        if let claim, claim.start < end { self.claim = nil }
        let count = early.prefix { $0.pulse.extent.next <= end }.count
        guard count > 0 else { return }
        pulse = early[count - 1]
        early.removeFirst(count)
    }

    /// Whether nothing that the source has said since speaks against a retained message.
    func isInForce(_ header: ChunkHeader) -> Bool {
        let first = header.sequence - min(UInt64(header.fragment), header.sequence)
        let known = pulse.map { [$0] + early } ?? early
        let later = known.filter { $0.pulse.extent.next > first }
        return later.isEmpty || later.contains { $0.pulse.isInForce(key: header.retainedKey, sequence: first) }
    }

    // MARK: Positions

    /// A parent says where the stream goes on.
    mutating func claim(_ start: UInt64, at now: Instant) {
        claim = reading(at: now).map { (start, $0) }
    }

    /// Whether the source has said since that it never came so far.
    func contradictsClaim(_ pulse: SourcePulse) -> Bool {
        guard let claim else { return false }
        return pulse.extent.next < claim.start && pulse.clock > claim.at.addingSaturating(Self.clockError)
    }
}
