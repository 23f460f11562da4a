#if canImport(PeerTreeCore)
import PeerTreeCore
#endif

extension Client {
    /// What is counted so. Nothing changes: see `Exports.swift`.
    mutating func value(of counter: Counter) -> Double {
        switch counter {
        case .children: return Double(peer?.childCount ?? 0)
        case .parentRoundTrip: return parentRoundTrip ?? -1
        case .isFed: return peer?.isFed == true ? 1 : 0
        case .isEnded: return peer?.isEnded == true ? 1 : 0
        case .isSubtreeComplete: return peer?.isSubtreeComplete == true ? 1 : 0
        case .lag: return lagMilliseconds ?? -1
        case .depth: return membership.depth.map { Double($0) } ?? -1
        case .iceRestarts: return Double(membership.restartCount)
        default: return Double(peer?.counters.value(of: counter) ?? 0)
        }
    }

    private var parentRoundTrip: Double? {
        peer?.neighbours.first { $0.role == .parent }?.roundTripTime?.milliseconds
    }
}

extension PeerCounters {
    fileprivate func value(of counter: Counter) -> UInt64 {
        switch counter {
        case .chunksReceived: chunksReceived
        case .bytesReceived: bytesReceived
        case .chunksSent: chunksSent
        case .bytesSent: bytesSent
        case .messagesDelivered: messagesDelivered
        case .duplicates: duplicates
        case .malformedFrames: malformedFrames
        case .unexpectedFrames: unexpectedFrames
        case .unknownFrames: unknownFrames
        case .repairRequests: repairRequests
        case .chunksLost: chunksLost
        case .chunksRebuilt: chunksRebuilt
        case .discardedChunks: discardedChunks
        case .parentsLost: parentsLost
        case .slowChildren: slowChildren
        case .strangers: strangers
        case .skips: skips
        case .forgeries: forgeries
        case .contradictions: contradictions
        case .unprovenDrops: unprovenDrops
        case .staleStatements: staleStatements
        default: 0
        }
    }
}
