import NodeLinks

/// One life of one node: a node that is started again has the same name, and owns nothing of what it owned before.
package struct NodeID: Hashable, Sendable, CustomStringConvertible {
    /// What its operator calls it, as a `NodeName` may be; no two nodes of a cluster have the same.
    package let name: String
    /// A random number, drawn when it started.
    package let run: UInt64

    /// nil if `name` is not as described.
    package init?(name: String, run: UInt64) {
        guard NodeName(name) != nil else { return nil }
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
}
