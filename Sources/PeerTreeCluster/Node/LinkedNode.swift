import NodeLinks
import PeerTreeSignalling
import PeerTreeSignallingWire

/// Another node, as far as this one is linked with it.
struct LinkedNode: Sendable {
    /// The life of it that is registered in etcd; nil if none is.
    var registered: NodeID?
    var isReachable = false
    /// The link has a session, which began with this node's greeting: whatever it says now comes.
    var hasSession = false
    /// The life that has greeted, and how long what it says has been whole and in order since; nil between two sessions of
    /// the link.
    var greeted: (id: NodeID, session: NodeSession)?
    /// An operator knows that it cannot be dialed.
    var hasToldOfDialing = false
    /// Of its program, as it has said.
    var version: String?
    var address = ""
    /// What it has said last of what it has.
    var report: NodeReport?
}

/// Where a node listens for others, as it is written: `HOST:PORT`, an IPv6 address in brackets.
package struct NodeAddress: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: Int

    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.host = String(host)
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The same host at another port.
    package func at(port: Int) -> NodeAddress { NodeAddress(host: host, port: port) }

    private init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}
