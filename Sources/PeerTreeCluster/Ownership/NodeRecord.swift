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
