/// Whether more is of no use: three rounds in which the delivery did not grow by a quarter (draft-ietf-ccwg-bbr-06 section
/// 5.3.1.2).
struct PipeGauge {
    /// `BBR.full_bw_now`.
    private(set) var isFull = false
    private var bandwidth = 0.0
    private var rounds = 0

    private static let growth = 1.25
    private static let patience = 3

    /// A round is over.
    mutating func take(_ round: RoundMeter.Round) {
        // What an owner with little to send gets is no plateau.
        guard !self.isFull, !round.isLimited else { return }
        if round.bandwidth >= self.bandwidth * Self.growth {
            self.bandwidth = round.bandwidth
            self.rounds = 0
            return
        }
        self.rounds += 1
        self.isFull = self.rounds >= Self.patience
    }

    /// Looks anew.
    mutating func reset() {
        self = PipeGauge()
    }
}
