/// A link of limited rate behind a queue of limited length that drops what does not fit (drop tail).
///
/// Since it serves in order at a known rate, nothing has to be simulated: when the last bit of a datagram leaves is known
/// the moment that it comes.
public struct Bottleneck: Sendable {
    /// What a bottleneck is like.
    public struct Conditions: Hashable, Sendable {
        /// Bits a second.
        public var rate: Int
        /// Bytes that may wait, the datagram in transmission included.
        public var queue: Int
        /// Bytes of headers that each datagram has on the wire beside its payload. Default 28: IPv4 and UDP.
        public var overhead = 28

        /// A link of so many bits a second with room for so many bytes.
        public init(rate: Int, queue: Int) {
            self.rate = rate
            self.queue = queue
        }

        /// A link whose queue holds so many times what is in flight in a round trip (the bandwidth-delay product).
        public init(rate: Int, roundTrip: Duration, products: Double) {
            self.init(rate: rate, queue: Int(Double(rate) / 8 * roundTrip.inSeconds * products))
        }
    }

    /// May be changed under way: what waits then takes longer, or less long.
    public var conditions: Conditions {
        didSet { self.rescale(from: oldValue.rate) }
    }
    /// When all that waits has left, in nanoseconds.
    private var busyUntil: Int64 = 0
    private var lastSeen: Int64 = 0

    /// An idle link.
    public init(_ conditions: Conditions) {
        self.conditions = conditions
    }

    /// Bytes that wait at this time.
    public func backlog(at now: Duration) -> Int {
        let waiting = max(0, self.busyUntil - now.inNanoseconds)
        return Int(Double(waiting) * Double(self.conditions.rate) / 8e9)
    }

    /// A datagram comes. Returns when its last bit has left, or nil when there was no room for it.
    public mutating func handle(size: Int, at now: Duration) -> Duration? {
        let bytes = size + self.conditions.overhead
        self.lastSeen = now.inNanoseconds
        guard self.backlog(at: now) + bytes <= self.conditions.queue else { return nil }
        let transmission = Int64(Double(bytes) * 8e9 / Double(max(1, self.conditions.rate)))
        self.busyUntil = max(self.busyUntil, now.inNanoseconds) + transmission
        return .nanoseconds(self.busyUntil)
    }

    private mutating func rescale(from rate: Int) {
        let waiting = Double(max(0, self.busyUntil - self.lastSeen))
        self.busyUntil = self.lastSeen + Int64(waiting * Double(rate) / Double(max(1, self.conditions.rate)))
    }
}

extension Duration {
    /// Whole nanoseconds; what is longer than three centuries is cut.
    public var inNanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        return Int64(clamping: Int128(seconds) * 1_000_000_000 + Int128(attoseconds / 1_000_000_000))
    }

    /// Seconds with their fraction.
    public var inSeconds: Double { Double(self.inNanoseconds) / 1e9 }
}
