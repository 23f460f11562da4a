/// When the host has to say how full the send queues of data channels are: what waits there decides how much more the
/// peer hands out.
struct SendQueues {
    private struct Queue {
        let link: LinkID
        let isNative: Bool
        /// Handed to the host since it last said how full the queue is.
        var unreported = 0
        /// Low is half of what the peer lets wait there; every quarter of it that was handed over is looked at.
        var lowWater: Int
        var threshold: Int
        var isDue = false

        var quarter: Int { max(lowWater / 2, 1) }
    }

    private var queues: [Queue] = []
    private var dueCount = 0
    private let lowWater: Int

    /// - Parameter highWater: as in ``PeerConfiguration/highWater``.
    init(highWater: Int) {
        lowWater = max(highWater / 2, 1)
    }

    private func index(of link: LinkID) -> Int? {
        queues.firstIndex { $0.link == link }
    }

    /// - Returns: the threshold below which the host has to say so by itself.
    mutating func open(_ link: LinkID, isNative: Bool) -> Int {
        queues.append(Queue(link: link, isNative: isNative, lowWater: lowWater, threshold: lowWater))
        return lowWater
    }

    /// A queue may be below a new threshold already, of which the host would not say anything.
    private mutating func look(at index: Int) {
        guard !queues[index].isDue else { return }
        queues[index].isDue = true
        dueCount += 1
    }

    /// The peer lets so many bytes wait there from now on.
    ///
    /// - Returns: the new threshold; nil if there is no such queue.
    mutating func bound(_ link: LinkID, _ limit: Int) -> Int? {
        guard let index = index(of: link) else { return nil }
        queues[index].lowWater = max(limit / 2, 1)
        queues[index].threshold = queues[index].lowWater
        look(at: index)
        return queues[index].threshold
    }

    mutating func close(_ link: LinkID) {
        guard let index = index(of: link) else { return }
        if queues.remove(at: index).isDue { dueCount -= 1 }
    }

    /// A plain child never says what it has received, and a message too large for it is left out by the host: of its
    /// queue everything has to be known.
    mutating func sent(_ bytes: Int, on link: LinkID) {
        guard let index = index(of: link) else { return }
        queues[index].unreported += max(1, bytes)
        guard !queues[index].isNative || queues[index].unreported >= queues[index].quarter else { return }
        look(at: index)
    }

    /// A link whose queue has to be looked at before the peer can judge it.
    mutating func nextDue() -> LinkID? {
        guard dueCount > 0, let index = queues.firstIndex(where: { $0.isDue }) else { return nil }
        queues[index].isDue = false
        dueCount -= 1
        return queues[index].link
    }

    /// The host said how full a queue is.
    ///
    /// - Returns: the new threshold if there is one, and whether the peer should hear of the amount. It must also learn
    ///   that the queue of a plain child has run dry: by nothing else can it tell that the child was sent everything.
    mutating func reported(_ bytes: Int, on link: LinkID) -> (threshold: Int?, isLow: Bool) {
        guard let index = index(of: link) else { return (nil, false) }
        queues[index].unreported = 0
        let lowWater = queues[index].lowWater
        let isLow = bytes <= lowWater
        let threshold = isLow && !queues[index].isNative ? 0 : lowWater
        guard threshold != queues[index].threshold else { return (nil, isLow) }
        queues[index].threshold = threshold
        look(at: index)
        return (threshold, isLow)
    }
}
