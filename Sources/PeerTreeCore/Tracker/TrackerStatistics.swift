/// What a ``Tracker`` has done since it was made. Counters only grow.
public struct TrackerStatistics: Equatable, Sendable {
    /// Trees created.
    public internal(set) var treesCreated: UInt64 = 0
    /// Trees ended.
    public internal(set) var treesEnded: UInt64 = 0
    /// Viewers that joined.
    public internal(set) var joins: UInt64 = 0
    /// Viewers that discovered their own tree again.
    public internal(set) var rejoins: UInt64 = 0
    /// Viewers that left.
    public internal(set) var leaves: UInt64 = 0
    /// Viewers that vanished.
    public internal(set) var vanishes: UInt64 = 0
    /// Viewers removed because they did not attach in time.
    public internal(set) var attachTimeouts: UInt64 = 0
    /// Times a peer said that it lost its parent.
    public internal(set) var orphanReports: UInt64 = 0
    /// Leaves moved up into better places.
    public internal(set) var moves: UInt64 = 0
    /// Moves that went back because the new link did not open.
    public internal(set) var movesReverted: UInt64 = 0
    /// Leaves that took the place of a departed interior peer.
    public internal(set) var promotions: UInt64 = 0
    /// Peers that came back after the tracker had lost its memory.
    public internal(set) var restores: UInt64 = 0
    /// Votes of members against their parents.
    public internal(set) var votes: UInt64 = 0
    /// Peers made leaves because they did not forward.
    public internal(set) var evictions: UInt64 = 0
    /// Reports of a parent that brought what the source had not signed.
    public internal(set) var forgeries: UInt64 = 0
    /// Times newcomers were kept away from a peer that others could not connect to.
    public internal(set) var shuns: UInt64 = 0
    /// Times a peer was asked over its socket, since somebody called it silent.
    public internal(set) var probes: UInt64 = 0
    /// Reports and confirmations about an assignment that was no longer the current one.
    public internal(set) var staleReports: UInt64 = 0

    /// Of nothing.
    public init() {}

    /// Adds what another tracker has done.
    public mutating func add(_ other: TrackerStatistics) {
        treesCreated &+= other.treesCreated
        treesEnded &+= other.treesEnded
        joins &+= other.joins
        rejoins &+= other.rejoins
        leaves &+= other.leaves
        vanishes &+= other.vanishes
        attachTimeouts &+= other.attachTimeouts
        orphanReports &+= other.orphanReports
        moves &+= other.moves
        movesReverted &+= other.movesReverted
        promotions &+= other.promotions
        restores &+= other.restores
        votes &+= other.votes
        evictions &+= other.evictions
        forgeries &+= other.forgeries
        shuns &+= other.shuns
        probes &+= other.probes
        staleReports &+= other.staleReports
    }
}
