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
    let layout: StripeLayout
}

extension SimulatedToken {
    /// The token as it travels: its numbers, the interior stripe last, if there is one.
    var text: Text {
        let own = [run, client, isSource ? 1 : 0, capacity]
        let numbers = own + [sourceCapacity, layout.stripes, layout.parity] + (interior.map { [$0] } ?? [])
        return Text(Array(numbers.map(String.init).joined(separator: " ").utf8))
    }

    init?(_ text: Text) {
        let numbers = String(decoding: text.bytes, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 7 || numbers.count == 8 else { return nil }
        self.init(
            run: numbers[0],
            client: numbers[1],
            isSource: numbers[2] == 1,
            capacity: numbers[3],
            interior: numbers.count == 8 ? numbers[7] : nil,
            sourceCapacity: numbers[4],
            layout: StripeLayout(stripes: numbers[5], parity: numbers[6])
        )
    }
}
