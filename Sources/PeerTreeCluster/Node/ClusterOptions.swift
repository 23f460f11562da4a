package import NodeLinks

/// What a server needs to know in order to be a node of a cluster.
package struct ClusterOptions: Sendable {
    /// The node's name and this life of it, and where others reach it: port 0 stands for the one that is listened on.
    package var node: NodeID
    package var advertised: LinkAddress
    /// Where to listen for other nodes. Default: the host that is advertised.
    package var listenHost: String?
    package var etcd: EtcdOptions
    package var secrets: LinkSecrets
    package var ownership = OwnershipOptions()
    package var links = LinkOptions()
    /// How long giving its slots away may take when it stops. Default 20 s.
    package var leaveLimit = Duration.seconds(20)
    /// How often this node tells the others what it has. Default 2 s.
    package var reportInterval = Duration.seconds(2)
    /// Of the program, for people. Default: none.
    package var version: String?

    package init(node: NodeID, advertised: LinkAddress, etcd: EtcdOptions, secrets: LinkSecrets) {
        self.node = node
        self.advertised = advertised
        self.etcd = etcd
        self.secrets = secrets
    }
}

/// Options with which no node can be.
package struct ClusterOptionsError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
