import PeerTreeCore

/// What the clients of each address take together.
struct AddressTable {
    private struct Entry {
        var sockets = 0
        var trees = 0
        var joins: EventRate
    }

    private var entries: [UInt64: Entry] = [:]
    private var sizeAtSweep = 0

    /// How many addresses are remembered.
    var count: Int { entries.count }

    /// Counts a socket; false if the address has as many as it may.
    mutating func connect(_ address: UInt64, options: SignallingOptions, at now: Instant) -> Bool {
        var entry = entries[address] ?? Entry(joins: EventRate(burst: options.joinBurstPerAddress, at: now))
        guard entry.sockets < options.maximumSocketsPerAddress else { return false }
        entry.sockets += 1
        entries[address] = entry
        sweep(options: options, at: now)
        return true
    }

    mutating func disconnect(_ address: UInt64) {
        entries[address]?.sockets -= 1
    }

    /// Takes one of the joins that the address may make now; false if there is none.
    mutating func join(_ address: UInt64, options: SignallingOptions, at now: Instant) -> Bool {
        entries[address]?.joins.take(
            perSecond: options.joinsPerSecondPerAddress,
            burst: options.joinBurstPerAddress,
            at: now
        ) ?? true
    }

    /// Whether the address has fewer trees than it may have.
    func mayCreateTree(_ address: UInt64, options: SignallingOptions) -> Bool {
        entries[address].map { $0.trees < options.maximumTreesPerAddress } ?? true
    }

    mutating func createTree(_ address: UInt64) {
        entries[address]?.trees += 1
    }

    mutating func endTree(_ address: UInt64) {
        entries[address]?.trees -= 1
    }

    /// Forgets addresses that have nothing here and have been quiet long enough to have all their joins back. Done when
    /// the table has doubled, so that it costs next to nothing a connection.
    private mutating func sweep(options: SignallingOptions, at now: Instant) {
        guard entries.count > 2 * sizeAtSweep + 1_024 else { return }
        entries = entries.filter { _, entry in
            entry.sockets > 0 || entry.trees > 0
                || !entry.joins.isFull(
                    perSecond: options.joinsPerSecondPerAddress,
                    burst: options.joinBurstPerAddress,
                    at: now
                )
        }
        sizeAtSweep = entries.count
    }
}
