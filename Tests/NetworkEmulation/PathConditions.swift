/// What a network does to datagrams on their way in one direction. In this order: the bottleneck's queue, loss, delay.
public struct PathConditions: Hashable, Sendable {
    /// The narrowest place of the way. Default nil: none.
    public var bottleneck: Bottleneck.Conditions?
    /// Probability that a datagram is lost behind the bottleneck, each by itself, 0 to 1. Default 0.
    public var loss = 0.0
    /// Loss in bursts, besides. Default nil: none.
    public var burstLoss: GilbertElliott?
    /// Probability that a datagram arrives twice. Default 0.
    public var duplication = 0.0
    /// Probability that a datagram is held back by `reorderingDelay`, so that later ones overtake it. Default 0.
    public var reordering = 0.0
    /// How long a datagram is held back that is to be overtaken. Default 5 ms.
    public var reorderingDelay = Duration.milliseconds(5)
    /// Time from one end to the other, beside that in the queue. Default 0.
    public var delay = Duration.zero
    /// Delay varies by up to this much more, evenly; order is kept, as in a queue. Default 0.
    public var jitter = Duration.zero

    /// A path that changes nothing.
    public init() {}

    /// A path with a delay that loses at random.
    public init(delay: Duration, loss: Double = 0, bottleneck: Bottleneck.Conditions? = nil) {
        self.delay = delay
        self.loss = loss
        self.bottleneck = bottleneck
    }
}
