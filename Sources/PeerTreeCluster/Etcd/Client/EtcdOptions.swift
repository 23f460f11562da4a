package import PeerTreeCore

/// How etcd is reached.
package struct EtcdOptions: Sendable {
    /// The members of etcd's cluster, or some of them; at least one.
    package var endpoints: [EtcdEndpoint]
    /// Who etcd is to take this program for; nil where etcd asks for no names.
    package var user: EtcdUser?
    /// Files for `https`. Default: the system's authorities, and no certificate of one's own.
    package var tls = EtcdTLS()
    /// How long one member may take to answer before another one is asked. Default 1 s.
    package var attemptLimit = TimeSpan.seconds(1)
    /// How long a call may take, all its attempts together. Default 3 s.
    package var callLimit = TimeSpan.seconds(3)

    /// The defaults, for these members.
    package init(endpoints: [EtcdEndpoint]) { self.endpoints = endpoints }
}

/// A name and its password at etcd.
package struct EtcdUser: Sendable {
    package var name: String
    package var password: String

    package init(name: String, password: String) {
        self.name = name
        self.password = password
    }
}

/// The files that TLS needs, all PEM.
package struct EtcdTLS: Hashable, Sendable {
    /// The authorities that sign etcd's certificates; nil for those of the system.
    package var authorities: String?
    /// The chain of this program's own certificate, and its key, where etcd asks for one.
    package var certificate: String?
    package var key: String?

    package init(authorities: String? = nil, certificate: String? = nil, key: String? = nil) {
        self.authorities = authorities
        self.certificate = certificate
        self.key = key
    }
}
