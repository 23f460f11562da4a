import HeapModule
public import NIOCore

/// What a network does to datagrams on their way in one direction.
public struct PathConditions: Hashable, Sendable {
    /// Probability that a datagram is dropped, 0 to 1.
    public var loss = 0.0
    /// Probability that a datagram arrives twice.
    public var duplication = 0.0
    /// Probability that a datagram is held back by `reorderingDelay`, so that later ones overtake it.
    public var reordering = 0.0
    /// How long a datagram is held back that is to be overtaken.
    public var reorderingDelay = TimeAmount.milliseconds(5)
    /// Time from one end to the other.
    public var delay = TimeAmount.zero

    /// A path that changes nothing.
    public init() {}

    /// A path with a delay that loses at random.
    public init(delay: TimeAmount, loss: Double) {
        self.delay = delay
        self.loss = loss
    }
}

/// One direction of a bad network as a state machine: `handle` a datagram, take with `nextOutput(at:)` what has
/// arrived, come again at `deadline`. What happens to the n-th datagram follows from the seed alone.
public struct LossyPath {
    /// May be changed under way; it applies to what is sent from then on.
    public var conditions: PathConditions
    /// Datagrams dropped so far.
    public private(set) var dropped = 0
    /// Datagrams delivered so far, duplicates included.
    public private(set) var delivered = 0

    private var random: any RandomNumberGenerator
    private var underway = Heap<Travelling>()
    private var sent: UInt64 = 0

    private struct Travelling: Comparable {
        var due: NIODeadline
        /// Tells apart what is due at once: first in, first out.
        var number: UInt64
        var datagram: ByteBuffer

        static func < (left: Travelling, right: Travelling) -> Bool {
            (left.due, left.number) < (right.due, right.number)
        }

        static func == (left: Travelling, right: Travelling) -> Bool { left.number == right.number }
    }

    /// A path whose accidents follow from `random`.
    public init(_ conditions: PathConditions, random: any RandomNumberGenerator) {
        self.conditions = conditions
        self.random = random
    }

    /// A datagram enters the path.
    public mutating func handle(_ datagram: ByteBuffer, at now: NIODeadline) {
        let isLost = self.happens(self.conditions.loss)
        let isDoubled = self.happens(self.conditions.duplication)
        let isHeldBack = self.happens(self.conditions.reordering)
        if isLost {
            self.dropped += 1
            return
        }
        let due = now + self.conditions.delay
        self.add(datagram, due: isHeldBack ? due + self.conditions.reorderingDelay : due)
        if isDoubled { self.add(datagram, due: due) }
    }

    /// A datagram that has reached the other end by now.
    public mutating func nextOutput(at now: NIODeadline) -> ByteBuffer? {
        guard let first = self.underway.min, first.due <= now else { return nil }
        self.delivered += 1
        return self.underway.removeMin().datagram
    }

    /// When the next datagram arrives.
    public var deadline: NIODeadline? { self.underway.min?.due }

    private mutating func add(_ datagram: ByteBuffer, due: NIODeadline) {
        self.sent += 1
        self.underway.insert(Travelling(due: due, number: self.sent, datagram: datagram))
    }

    private mutating func happens(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &self.random) < probability
    }
}
