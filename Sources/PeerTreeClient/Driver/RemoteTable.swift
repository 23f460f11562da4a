import PeerTreeCore

/// Numbers the ids that the signalling server gives to peers.
struct RemoteTable {
    private var numbers: [String: RemoteID] = [:]
    private var names: [RemoteID: String] = [:]
    private var next: UInt32 = 1

    /// The number of an id; a new one if it was never seen.
    mutating func number(_ name: String) -> RemoteID {
        if let known = numbers[name] { return known }
        let number = RemoteID(next)
        next &+= 1
        numbers[name] = number
        names[number] = name
        return number
    }

    /// The id behind a number.
    func name(_ number: RemoteID) -> String {
        names[number] ?? ""
    }

    /// Forgets ids that nothing refers to any more, so that a long-lived relay does not grow.
    mutating func keepOnly(_ used: Set<RemoteID>) {
        guard numbers.count > 2 * used.count + 64 else { return }
        numbers = numbers.filter { used.contains($0.value) }
        names = names.filter { used.contains($0.key) }
    }
}
