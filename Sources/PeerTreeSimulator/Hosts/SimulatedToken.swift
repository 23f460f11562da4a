import PeerTreeCore

/// What a peer shows to get its place back. In the simulation nobody forges one.
struct SimulatedToken {
    /// Which life of the server gave it.
    let run: Int
    let client: Int
    let isSource: Bool
    let capacity: Int
    /// The stripe in which a viewer may have children; nil for all.
    let interior: Int?
    let sourceCapacity: Int
    let stripes: Int
}

extension SimulatedToken {
    /// The token as it travels: its numbers, the interior stripe last, if there is one.
    var text: Text {
        let numbers =
            [run, client, isSource ? 1 : 0, capacity, sourceCapacity, stripes] + (interior.map { [$0] } ?? [])
        return Text(Array(numbers.map(String.init).joined(separator: " ").utf8))
    }

    init?(_ text: Text) {
        let numbers = String(decoding: text.bytes, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 6 || numbers.count == 7 else { return nil }
        self.init(
            run: numbers[0],
            client: numbers[1],
            isSource: numbers[2] == 1,
            capacity: numbers[3],
            interior: numbers.count == 7 ? numbers[6] : nil,
            sourceCapacity: numbers[4],
            stripes: numbers[5]
        )
    }
}
