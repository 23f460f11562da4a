/// Bursty loss as a Markov chain of two states (Gilbert 1960, Elliott 1963): in the good one little is lost, in the bad
/// one much.
public struct GilbertElliott: Hashable, Sendable {
    /// Probability, with each datagram, that the path turns bad.
    public var toBad: Double
    /// Probability, with each datagram, that it turns good again; its inverse is the mean length of a burst.
    public var toGood: Double
    /// Share of what is lost while it is good. Default 0.
    public var lossInGood: Double
    /// Share of what is lost while it is bad. Default 1.
    public var lossInBad: Double

    /// A chain with these probabilities, each from 0 to 1.
    public init(toBad: Double, toGood: Double, lossInGood: Double = 0, lossInBad: Double = 1) {
        (self.toBad, self.toGood, self.lossInGood, self.lossInBad) = (toBad, toGood, lossInGood, lossInBad)
    }

    /// A chain that loses so much in the long run, in bursts of so many datagrams on average, and nothing in between.
    public init(loss: Double, meanBurst: Double) {
        let toGood = 1 / max(1, meanBurst)
        self.init(toBad: loss >= 1 ? 1 : min(1, toGood * loss / (1 - loss)), toGood: toGood)
    }

    /// Share of all datagrams that is lost in the long run.
    public var meanLoss: Double {
        guard self.toBad + self.toGood > 0 else { return self.lossInGood }
        let bad = self.toBad / (self.toBad + self.toGood)
        return bad * self.lossInBad + (1 - bad) * self.lossInGood
    }
}

/// Decides what is lost.
struct LossProcess {
    private var isBad = false

    /// Whether the next datagram is lost.
    mutating func loses(_ conditions: PathConditions, using random: inout some RandomNumberGenerator) -> Bool {
        var isLost = random.happens(conditions.loss)
        if let bursts = conditions.burstLoss {
            if random.happens(self.isBad ? bursts.toGood : bursts.toBad) { self.isBad.toggle() }
            if random.happens(self.isBad ? bursts.lossInBad : bursts.lossInGood) { isLost = true }
        }
        return isLost
    }
}

extension RandomNumberGenerator {
    /// Takes one number, whatever the probability: what befalls one datagram does not shift what befalls the next.
    mutating func happens(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &self) < probability
    }
}
