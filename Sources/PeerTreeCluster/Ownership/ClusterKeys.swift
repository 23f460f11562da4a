package import PeerTreeSignalling

/// The keys of a cluster in etcd, all below one prefix that ends with a slash.
///
/// | key | value | lease |
/// |---|---|---|
/// | `PREFIX/incarnation` | a decimal number | none |
/// | `PREFIX/nodes/NAME` | `NAME RUN ADDRESS`, RUN a random number in hexadecimal; ` leaving` at its end once it is about to stop | the node's |
/// | `PREFIX/slots/0000` to `1023` | the owner, as `NAME RUN` | the owner's |
///
/// Whatever else is there is left alone. An operator who restores etcd from a backup while all nodes are down deletes
/// `PREFIX/incarnation` before they start: a new one is made of the clock, and is higher than any before.
struct ClusterKeys: Sendable {
    enum Meaning: Hashable {
        case incarnation
        case node(name: String)
        case slot(Slot)
    }

    let prefix: [UInt8]

    init(prefix: String) { self.prefix = Array((prefix.hasSuffix("/") ? prefix : prefix + "/").utf8) }

    var incarnation: [UInt8] { prefix + Array("incarnation".utf8) }

    func node(_ name: String) -> [UInt8] { prefix + Array("nodes/\(name)".utf8) }

    func slot(_ slot: Slot) -> [UInt8] {
        let digits = String(slot.number)
        return prefix + Array("slots/\(String(repeating: "0", count: 4 - digits.utf8.count))\(digits)".utf8)
    }

    func meaning(of key: [UInt8]) -> Meaning? {
        guard key.starts(with: prefix) else { return nil }
        let parts = String(decoding: key.dropFirst(prefix.count), as: UTF8.self).split(
            separator: "/",
            omittingEmptySubsequences: false
        )
        if parts == ["incarnation"] { return .incarnation }
        guard parts.count == 2 else { return nil }
        if parts[0] == "nodes" { return .node(name: String(parts[1])) }
        guard parts[0] == "slots", parts[1].utf8.count == 4, let number = Int(parts[1]),
            Slot.inOrder.indices.contains(number)
        else { return nil }
        return self.slot(Slot.inOrder[number]) == key ? .slot(Slot.inOrder[number]) : nil
    }
}

extension Slot {
    /// All of them; each has its number as index.
    package static let inOrder = all.sorted { $0.number < $1.number }
}
