package import NIOCore

/// Which of several servers a client goes to: each in an order of its own, drawn at random, so that neither the clients of
/// a cluster nor those of a node that died all go to the same one. One that fails is followed by the next without a pause;
/// once all have failed, the round is over and it is time to wait.
package struct ServerChoice: Sendable {
    private let order: [Int]
    private var position = 0
    /// Since a server last let the client in, or the last round was over.
    private var failures = 0
    /// In which no server let the client in, since one did.
    private var failedRounds = 0

    /// - Parameter count: How many servers there are, at least 1.
    package init(count: Int, using generator: inout some RandomNumberGenerator) {
        precondition(count > 0, "there must be a server to choose")
        order = (0..<count).shuffled(using: &generator)
    }

    /// The number of the server to go to, from 0 on.
    package var current: Int { order[position] }

    /// How long the current server may take: double with every round that failed, since servers that are all slow have
    /// more to do than they can, and clients that go from one to the next make it worse.
    package func patience(from first: TimeAmount, to most: TimeAmount) -> TimeAmount {
        // 2^20 times any sensible time is beyond any sensible limit.
        let (doubled, overflow) = first.nanoseconds.multipliedReportingOverflow(by: 1 << Int64(min(failedRounds, 20)))
        return overflow ? most : min(.nanoseconds(doubled), most)
    }

    /// The current server did not let the client in.
    ///
    /// - Returns: Whether the next one is to be tried at once; else all have failed, and it is the first after a pause.
    package mutating func fail() -> Bool {
        advance()
        failures += 1
        guard failures == order.count else { return true }
        failures = 0
        failedRounds = min(failedRounds + 1, 20)
        return false
    }

    /// The current server has let the client in.
    package mutating func succeed() {
        failures = 0
        failedRounds = 0
    }

    /// The connection to the server that had let the client in is gone: the others come first.
    package mutating func lose() {
        succeed()
        advance()
    }

    private mutating func advance() { position = (position + 1) % order.count }
}
