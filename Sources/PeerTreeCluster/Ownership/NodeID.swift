/// One life of one node: a node that is started again has the same name, and owns nothing of what it owned before.
package struct NodeID: Hashable, Sendable, CustomStringConvertible {
    /// What its operator calls it, 1 to 64 of letters, digits, `.`, `_` and `-`; no two nodes of a cluster have the same.
    package let name: String
    /// A random number, drawn when it started.
    package let run: UInt64

    /// nil if `name` is not as described.
    package init?(name: String, run: UInt64) {
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isAllowed) else { return nil }
        self.name = name
        self.run = run
    }

    /// As it is written in etcd; nil for anything else.
    init?(written bytes: [UInt8]) {
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 2, let run = UInt64(parts[1], radix: 16) else { return nil }
        self.init(name: String(parts[0]), run: run)
        guard written == bytes else { return nil }
    }

    /// The name, a space, the run in hexadecimal.
    package var description: String { "\(name) \(String(run, radix: 16))" }

    var written: [UInt8] { Array(description.utf8) }

    fileprivate static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

/// A node among the nodes of its cluster: what its key in etcd says.
package struct NodeRecord: Hashable, Sendable {
    package let id: NodeID
    /// Where other nodes reach it, as `HOST:PORT`: visible ASCII characters, at most ``maximumAddressBytes``.
    package let address: String
    /// It is about to stop: it gives its slots away, and takes none.
    package var isLeaving = false

    static let maximumAddressBytes = 300

    /// nil if `address` is not as described.
    package init?(id: NodeID, address: String) {
        let isVisible = address.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        guard isVisible, (1...Self.maximumAddressBytes).contains(address.utf8.count) else { return nil }
        self.id = id
        self.address = address
    }

    /// As it is written in etcd; nil for anything else.
    init?(written bytes: [UInt8]) {
        let parts = bytes.split(separator: UInt8(ascii: " "), maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 3 || parts.count == 4,
            let id = NodeID(written: Array(parts[0] + [UInt8(ascii: " ")] + parts[1]))
        else { return nil }
        self.init(id: id, address: String(decoding: parts[2], as: UTF8.self))
        isLeaving = parts.count == 4
        guard written == bytes else { return nil }
    }

    /// The name, a space, the run in hexadecimal, a space, the address; then a space and `leaving`, if it is.
    var written: [UInt8] { id.written + Array(" \(address)\(isLeaving ? " leaving" : "")".utf8) }
}
