import PeerTreeCore

/// Which of several members of etcd's cluster is asked next: the one that answered last, as long as it does. One that failed
/// rests before it is asked again, unless all do.
struct EndpointChoice {
    private let rest: TimeSpan
    private var restsUntil: [Instant]
    private var current = 0

    /// - Parameters:
    ///   - count: How many there are; at least one.
    ///   - rest: How long one that failed is left alone. Default 5 s.
    init(count: Int, rest: TimeSpan = .seconds(5)) {
        self.rest = rest
        restsUntil = [Instant](repeating: .zero, count: max(1, count))
    }

    /// The number of the one to ask now.
    mutating func next(at now: Instant) -> Int {
        let order = restsUntil.indices.map { (current + $0) % restsUntil.count }
        current = order.first { restsUntil[$0] <= now } ?? order.min { restsUntil[$0] < restsUntil[$1] } ?? 0
        return current
    }

    /// Endpoint `number` did not answer, or not in time.
    mutating func failed(_ number: Int, at now: Instant) {
        guard restsUntil.indices.contains(number) else { return }
        restsUntil[number] = now + rest
    }

    /// Endpoint `number` answered.
    mutating func answered(_ number: Int) {
        guard restsUntil.indices.contains(number) else { return }
        restsUntil[number] = .zero
    }
}
