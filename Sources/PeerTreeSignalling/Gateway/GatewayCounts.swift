import PeerTreeCore

/// How often clients of a gateway have said what, and were refused.
struct GatewayCounts {
    /// Of events, by the number of their name; last, those of unknown names.
    private var ofEvents = Array(repeating: UInt64(0), count: SignallingName.allCases.count + 1)
    /// Of refusals, by code. Codes of other nodes that are too many count together, as `other`.
    private(set) var refusals: [String: UInt64] = [:]

    /// Codes of refusals that are counted each by itself: there are a few dozen.
    private static let mostCodes = 256

    /// By name; those of unknown names count as `other`.
    var events: [String: UInt64] {
        let names = SignallingName.allCases.map(\.string) + ["other"]
        return Dictionary(uniqueKeysWithValues: zip(names, ofEvents).filter { $0.1 > 0 })
    }

    /// - Parameter event: nil for one that clients do not send.
    mutating func count(_ event: SignallingName?) {
        ofEvents[event.map { Int($0.rawValue) } ?? ofEvents.count - 1] += 1
    }

    mutating func countRefusal(_ code: String) {
        let isCounted = refusals[code] != nil || refusals.count < Self.mostCodes
        refusals[isCounted ? code : "other", default: 0] += 1
    }
}
