public import NIOCore

/// How much may be on its way. An association tells it what happens; it answers with a window.
///
/// All amounts are bytes of payload, headers excluded.
public protocol CongestionControl: Sendable {
    /// Bytes that may be in flight.
    var window: Int { get }
    /// Bytes a second at which packets leave where the round trip is long enough for that; nil spreads twice the window over
    /// it.
    var pacingRate: Int? { get }
    /// So much was sent.
    mutating func didSend(_ bytes: Int, inFlight: Int, at now: NIODeadline)
    /// An acknowledgement brought something new.
    mutating func didAcknowledge(_ acknowledgement: Acknowledgement)
    /// Something was lost, for the first time since what was lost before has been repaired.
    mutating func didLose(inFlight: Int, at now: NIODeadline)
    /// The retransmission time-out has passed: all that was in flight counts as lost.
    mutating func didTimeOut(inFlight: Int, at now: NIODeadline)
    /// Nothing had been lost: the last reduction is taken back.
    mutating func undo()
    /// Nothing was sent for so many retransmission time-outs.
    mutating func didIdle(timeouts: Int, at now: NIODeadline)
}

/// What an acknowledgement brought.
public struct Acknowledgement: Sendable {
    /// Bytes acknowledged for the first time.
    public var bytes: Int
    /// Bytes in flight before it came.
    public var inFlightBefore: Int
    /// Bytes in flight since.
    public var inFlight: Int
    /// Whether the window, and nothing else, held back more than that.
    public var isWindowLimited: Bool
    /// Whether a loss is being repaired.
    public var isInRecovery: Bool
    /// A round trip that was measured with it.
    public var roundTrip: TimeAmount?
    /// The shortest round trip known of the path.
    public var leastRoundTrip: TimeAmount?
    /// How fast the path delivered what it names.
    public var sample: DeliverySample?
    /// Bytes that have arrived so far.
    public var delivered: Int
    /// Bytes that were taken for lost so far.
    public var lost: Int
    /// Packets that the other side acknowledges at once, by agreement; at least 2.
    public var packetsPerAcknowledgement: Int
    /// When it came.
    public var at: NIODeadline
}

/// RFC 9260 section 7.2: slow start, congestion avoidance, one reduction a round trip.
public struct Reno: CongestionControl {
    /// See `CongestionControl`.
    public private(set) var window: Int
    /// See `CongestionControl`.
    public var pacingRate: Int? { nil }
    /// `ssthresh`: below this the window grows quickly.
    public private(set) var slowStartThreshold = Int.max
    private let packetSize: Int
    /// `partial_bytes_acked`.
    private var acknowledgedOfRound = 0
    private var previous: (window: Int, threshold: Int)?

    /// Ten packets (RFC 6928), where RFC 9260 has about four: every other implementation in use does.
    private static let initialPackets = 10
    private static let minimumPackets = 4
    private static let maximumWindow = 1 << 26

    /// - Parameter packetSize: payload of a full packet in bytes.
    public init(packetSize: Int) {
        self.packetSize = max(1, packetSize)
        self.window = Self.initialPackets * self.packetSize
    }

    /// See `CongestionControl`.
    public mutating func didSend(_ bytes: Int, inFlight: Int, at now: NIODeadline) {}

    /// See `CongestionControl`.
    public mutating func didAcknowledge(_ acknowledgement: Acknowledgement) {
        if self.window < self.slowStartThreshold {
            // Section 7.2.1, with the L of RFC 3465 for acknowledgements that are few by agreement.
            guard acknowledgement.isWindowLimited, !acknowledgement.isInRecovery else { return }
            let limit = acknowledgement.packetsPerAcknowledgement * self.packetSize
            self.window += min(acknowledgement.bytes, limit)
        } else {
            // Section 7.2.2: also while a loss is repaired. What is acknowledged while the window is not used in full counts
            // for one packet at most, as soon as it is.
            self.acknowledgedOfRound += acknowledgement.bytes
            guard acknowledgement.isWindowLimited else {
                return self.acknowledgedOfRound = min(self.acknowledgedOfRound, self.window)
            }
            guard self.acknowledgedOfRound >= self.window else { return }
            self.acknowledgedOfRound -= self.window
            self.window += self.packetSize
        }
        self.window = min(self.window, Self.maximumWindow)
    }

    /// See `CongestionControl`.
    public mutating func didLose(inFlight: Int, at now: NIODeadline) {
        self.reduce(to: max(self.window / 2, Self.minimumPackets * self.packetSize))
        self.window = self.slowStartThreshold
    }

    /// See `CongestionControl`.
    public mutating func didTimeOut(inFlight: Int, at now: NIODeadline) {
        self.reduce(to: max(self.window / 2, Self.minimumPackets * self.packetSize))
        self.window = self.packetSize
    }

    /// See `CongestionControl`.
    public mutating func undo() {
        guard let previous else { return }
        self.window = max(self.window, previous.window)
        self.slowStartThreshold = max(self.slowStartThreshold, previous.threshold)
        self.previous = nil
    }

    /// See `CongestionControl`.
    public mutating func didIdle(timeouts: Int, at now: NIODeadline) {
        let floor = Self.initialPackets * self.packetSize
        for _ in 0..<min(timeouts, 32) where self.window > floor { self.window = max(self.window / 2, floor) }
    }

    private mutating func reduce(to threshold: Int) {
        self.previous = (self.window, self.slowStartThreshold)
        self.slowStartThreshold = threshold
        self.acknowledgedOfRound = 0
    }
}
