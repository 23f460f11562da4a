import HeapModule

/// One direction of a bad network as a state machine without clock or sockets: `handle` a datagram, take with
/// `nextOutput(at:)` what has arrived, come again at `deadline`. What happens to the n-th datagram follows from the seed
/// and the times alone.
///
/// Several flows share a bottleneck by sharing the path: their datagrams say whose they are.
public struct NetworkPath<Datagram> {
    /// May be changed under way; it applies to what is sent from then on.
    public var conditions: PathConditions {
        didSet {
            switch (self.bottleneck, self.conditions.bottleneck) {
            case (.some, .some(let new)): self.bottleneck?.conditions = new
            case (nil, .some(let new)): self.bottleneck = Bottleneck(new)
            case (_, nil): self.bottleneck = nil
            }
        }
    }
    /// What became of the datagrams so far.
    public private(set) var statistics = PathStatistics()

    private var random: any RandomNumberGenerator
    private var bottleneck: Bottleneck?
    private var loss = LossProcess()
    private var underway = Heap<Travelling>()
    private var sent: UInt64 = 0
    private var lastArrival: Int64 = 0

    private struct Travelling: Comparable {
        var due: Int64
        /// Tells apart what is due at once: first in, first out.
        var number: UInt64
        var size: Int
        var datagram: Datagram

        static func < (left: Travelling, right: Travelling) -> Bool {
            (left.due, left.number) < (right.due, right.number)
        }

        static func == (left: Travelling, right: Travelling) -> Bool { left.number == right.number }
    }

    /// A path whose accidents follow from `random`.
    public init(_ conditions: PathConditions, random: any RandomNumberGenerator) {
        self.conditions = conditions
        self.random = random
        self.bottleneck = conditions.bottleneck.map { Bottleneck($0) }
    }

    /// A datagram of `size` bytes enters the path. Times are since any fixed moment, and never go back.
    public mutating func handle(_ datagram: Datagram, size: Int, at now: Duration) {
        let isLost = self.loss.loses(self.conditions, using: &self.random)
        let isDoubled = self.random.happens(self.conditions.duplication)
        let isHeldBack = self.random.happens(self.conditions.reordering)
        let jitter = Double.random(in: 0..<1, using: &self.random) * self.conditions.jitter.inSeconds
        var departure = now
        if self.bottleneck != nil {
            guard let leaves = self.bottleneck?.handle(size: size, at: now) else {
                self.statistics.overflowed += 1
                return
            }
            self.statistics.note(queueDelay: leaves - now)
            departure = leaves
        }
        guard !isLost else {
            self.statistics.lost += 1
            return
        }
        let due = (departure + self.conditions.delay).inNanoseconds + Int64(jitter * 1e9)
        let arrival = max(due, self.conditions.jitter > .zero ? self.lastArrival : due)
        guard !isHeldBack else {
            self.add(datagram, size, due: arrival + self.conditions.reorderingDelay.inNanoseconds)
            if isDoubled { self.add(datagram, size, due: arrival) }
            return
        }
        self.lastArrival = arrival
        self.add(datagram, size, due: arrival)
        if isDoubled { self.add(datagram, size, due: arrival) }
    }

    /// A datagram that has reached the other end by now.
    public mutating func nextOutput(at now: Duration) -> Datagram? {
        guard let first = self.underway.min, first.due <= now.inNanoseconds else { return nil }
        self.statistics.delivered += 1
        self.statistics.deliveredBytes += first.size
        return self.underway.removeMin().datagram
    }

    /// When the next datagram arrives.
    public var deadline: Duration? { self.underway.min.map { .nanoseconds($0.due) } }

    /// Bytes that wait before the bottleneck.
    public func backlog(at now: Duration) -> Int { self.bottleneck?.backlog(at: now) ?? 0 }

    private mutating func add(_ datagram: Datagram, _ size: Int, due: Int64) {
        self.sent += 1
        self.underway.insert(Travelling(due: due, number: self.sent, size: size, datagram: datagram))
    }
}

/// What became of the datagrams of a path.
public struct PathStatistics: Hashable, Sendable {
    /// Datagrams dropped because the queue of the bottleneck was full.
    public var overflowed = 0
    /// Datagrams lost on the way, by chance.
    public var lost = 0
    /// Datagrams delivered, duplicates included.
    public var delivered = 0
    /// Their bytes, without headers.
    public var deliveredBytes = 0
    /// Time that datagrams spent in the bottleneck, their own transmission included: sum, largest and number.
    public private(set) var totalQueueDelay = Duration.zero
    /// The longest of them.
    public private(set) var longestQueueDelay = Duration.zero
    /// How many went through the bottleneck.
    public private(set) var queued = 0

    /// Datagrams that did not arrive, for whatever reason.
    public var dropped: Int { self.overflowed + self.lost }
    /// The mean time in the bottleneck; 0 when nothing went through.
    public var meanQueueDelay: Duration { self.queued == 0 ? .zero : self.totalQueueDelay / self.queued }

    mutating func note(queueDelay: Duration) {
        self.totalQueueDelay += queueDelay
        self.longestQueueDelay = max(self.longestQueueDelay, queueDelay)
        self.queued += 1
    }
}
