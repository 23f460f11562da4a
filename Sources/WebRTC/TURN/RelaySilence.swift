import NIOCore

/// Notices that a relay has fallen silent, which is all there is to notice when a TURN server over UDP has lost an
/// allocation, as by a restart: it then drops data without a word. Note what is `sent` and `heard`; at `deadline`, if
/// `mustAsk`, the server is to be asked whether the allocation still exists.
///
/// Silence is suspicious when something that was sent is not followed by anything from the relay, or when a flow from
/// the relay stops. A peer that is silent of its own accord costs one question, then one after twice the time, and so on.
struct RelaySilence {
    private let patience: TimeAmount
    /// Since when something is missing.
    private var since: NIODeadline?
    /// What came since the last question.
    private var heardCount = 0
    /// In this silence.
    private var questions = 0

    /// So many datagrams are a flow, of which more is expected.
    private static let flow = 16

    /// - Parameter patience: silence before the first question.
    init(patience: TimeAmount) {
        self.patience = patience
    }

    var deadline: NIODeadline? { self.since.map { $0 + self.patience * (1 << min(self.questions, 6)) } }

    /// A datagram leaves through the relay. True when the deadline has come to be.
    mutating func sent(at now: NIODeadline) -> Bool {
        guard self.since == nil else { return false }
        self.since = now
        return true
    }

    /// A datagram came through the relay. True when there is a deadline.
    mutating func heard(at now: NIODeadline) -> Bool {
        self.questions = 0
        self.heardCount = min(self.heardCount + 1, Self.flow)
        self.since = self.heardCount == Self.flow ? now : nil
        return self.since != nil
    }

    /// Whether it is time to ask; once.
    mutating func mustAsk(at now: NIODeadline) -> Bool {
        guard let deadline, deadline <= now else { return false }
        self.since = nil
        self.heardCount = 0
        self.questions += 1
        return true
    }
}
