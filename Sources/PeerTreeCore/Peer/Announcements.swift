/// What a source has its host sign of its stream as a whole: the head once, and a pulse every ``interval`` from then on.
struct Announcements {
    private var head: SourceHead?
    /// The one that is being signed.
    private var pulse: SourcePulse?
    /// What the last one's clock showed, and when.
    private var last: (clock: UInt64, at: Instant)?

    /// How often a source says how far it is.
    static let interval = TimeSpan.milliseconds(500)

    /// When the next pulse is due. The first one follows the head.
    var deadline: Instant {
        guard pulse == nil, let last else { return .distantFuture }
        return last.at + Self.interval
    }

    /// The stream begins.
    ///
    /// - Returns: what is to be signed; nil if that was asked before.
    mutating func begin(_ head: SourceHead) -> [UInt8]? {
        guard self.head == nil else { return nil }
        self.head = head
        return SourceStatement.head(head).signedBytes
    }

    /// The head is signed.
    mutating func signed(_ signature: Signature) -> SourceFrame? {
        head.map { .head($0, signature) }
    }

    /// - Parameter pulse: what is to be said; its clock is set forward if it does not show more than that of the last one.
    /// - Returns: what is to be signed.
    mutating func say(_ pulse: SourcePulse, at now: Instant) -> (SignedThing, statement: [UInt8]) {
        var pulse = pulse
        if let last { pulse.clock = max(pulse.clock, last.clock.addingSaturating(1)) }
        last = (pulse.clock, now)
        self.pulse = pulse
        return (.pulse(clock: pulse.clock), SourceStatement.pulse(pulse).signedBytes)
    }

    /// A pulse is signed.
    mutating func signed(pulse clock: UInt64, _ signature: Signature) -> (SourcePulse, SourceFrame)? {
        guard let pulse, pulse.clock == clock else { return nil }
        self.pulse = nil
        return (pulse, .pulse(pulse, signature))
    }
}
