import NIOCore

/// When to acknowledge (RFC 9260 section 6.2).
///
/// A SACK is written when the owner asks for packets, so all that came in one read of its socket is acknowledged together.
/// That is fine for a stack of this kind, which has said so. Any other grows its congestion window by the number of SACKs,
/// or looks for three of them that report a loss: for its sake the owner is asked to fetch the SACK of every second packet,
/// and of every one while something is missing.
struct AcknowledgementPolicy {
    /// A SACK is to leave with the next packet.
    var isDue = false
    /// The next packet is to be fetched before another one is taken.
    private(set) var isUrgent = false
    /// When the delay of an acknowledgement is over.
    private(set) var deadline: NIODeadline?
    /// Packets since the last acknowledgement.
    private(set) var packets = 0
    private let delay: TimeAmount
    private let urgentPackets: Int
    private let isThinned: Bool

    private static let usualPackets = 2

    init(_ configuration: AssociationConfiguration, wish: AcknowledgementWish?) {
        self.delay = configuration.acknowledgementDelay
        self.isThinned = wish != nil
        self.urgentPackets = wish.map { max(Self.usualPackets, Int($0.packets)) } ?? Self.usualPackets
    }

    mutating func tookPacket(hasGaps: Bool, at now: NIODeadline) {
        self.packets += 1
        if self.packets >= Self.usualPackets { self.isDue = true }
        if self.packets >= self.urgentPackets || (hasGaps && !self.isThinned) { self.isUrgent = true }
        if !self.isDue, self.deadline == nil { self.deadline = now + self.delay }
    }

    mutating func handleTimeout(at now: NIODeadline) {
        guard let deadline, deadline <= now else { return }
        self.deadline = nil
        self.isDue = true
    }

    mutating func didAcknowledge() {
        self.isDue = false
        self.isUrgent = false
        self.deadline = nil
        self.packets = 0
    }
}
