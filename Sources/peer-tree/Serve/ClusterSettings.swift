import ArgumentParser
import Foundation

/// How a server is one of several.
struct ClusterFlags: SettingFlags {
    @Option(
        help: """
            The members of the etcd by which several servers are one, such as http://10.0.0.1:2379, with commas between \
            (default: none, and the server is alone).
            """
    )
    var cluster: String?

    @Option(help: "Where the other servers reach this one, as HOST:PORT; port 0 takes a free one (default: none).")
    var advertise: String?

    @Option(
        help: "The address on which to listen for other servers (default: none, which is the host that is advertised)."
    )
    var clusterListen: String?

    @Option(
        help: ArgumentHelp(
            "The file with the secret that all servers share, or with two while one is replaced, one a line (default: none).",
            valueName: "file"
        )
    )
    var clusterSecretFile: String?

    @Option(help: "What this server is called among the others (default: none, which is the advertised address).")
    var nodeName: String?

    @Option(help: "What the keys of these servers begin with in etcd (default: /peer-tree).")
    var clusterPrefix: String?

    @Option(help: "Seconds after which a server that says nothing to etcd loses what it owns (default: 5).")
    var clusterLease: String?

    @Option(help: "The name to use at etcd (default: none).")
    var etcdUser: String?

    @Option(help: "The password to that. Better given in the environment, as PEER_TREE_ETCD_PASSWORD (default: none).")
    var etcdPassword: String?

    @Option(
        help: ArgumentHelp(
            "Who vouches for etcd's certificate, in PEM (default: none, which is whom the system trusts).",
            valueName: "file"
        )
    )
    var etcdAuthorities: String?

    @Option(help: ArgumentHelp("The certificate to show to etcd, in PEM (default: none).", valueName: "file"))
    var etcdCertificate: String?

    @Option(help: ArgumentHelp("The key to that certificate, in PEM (default: none).", valueName: "file"))
    var etcdKey: String?
}

/// How a server is one of several, as it was set.
struct ClusterSettings: Sendable {
    var etcd: [String]
    var advertise: String
    var listen: String?
    var secretFile: String
    var nodeName: String?
    var prefix: String
    var leaseSeconds: Int
    var user: (name: String, password: String)?
    var authorities: String?
    var certificate: (file: String, key: String)?

    /// nil where the server is to be alone.
    ///
    /// - Throws: an error that names the setting, the value and what is allowed.
    init?(_ reader: inout SettingsReader) throws {
        etcd = try reader.list("cluster", "members of an etcd such as http://10.0.0.1:2379", default: []) {
            $0.hasPrefix("http://") || $0.hasPrefix("https://")
        }
        let advertise = try reader.text("advertise", "HOST:PORT")
        listen = try reader.text("cluster-listen", "an address")
        let secretFile = try reader.text("cluster-secret-file", "the path of a file")
        nodeName = try reader.text("node-name", "1 to 64 of letters, digits and . _ -") {
            (1...64).contains($0.utf8.count) && $0.utf8.allSatisfy(Self.isAllowedInName)
        }
        prefix =
            try reader.text("cluster-prefix", "a text without blanks", default: "/peer-tree") {
                !$0.isEmpty && !$0.contains(" ")
            } ?? "/peer-tree"
        leaseSeconds = try reader.integer("cluster-lease", default: 5, in: 2...600)
        let name = try reader.text("etcd-user")
        let password = try reader.text("etcd-password", isSecret: true)
        authorities = try reader.text("etcd-authorities", "the path of a file")
        let certificate = try reader.text("etcd-certificate", "the path of a file")
        let key = try reader.text("etcd-key", "the path of a file")
        guard (name == nil) == (password == nil) else {
            throw ValidationError("etcd-user and etcd-password must be given together.")
        }
        guard (certificate == nil) == (key == nil) else {
            throw ValidationError("etcd-certificate and etcd-key must be given together.")
        }
        if let name, let password { user = (name, password) }
        if let certificate, let key { self.certificate = (certificate, key) }
        guard !etcd.isEmpty else {
            guard advertise == nil, secretFile == nil else {
                throw ValidationError("advertise and cluster-secret-file mean nothing without --cluster.")
            }
            return nil
        }
        guard let advertise else {
            throw ValidationError("--cluster needs --advertise HOST:PORT, where the other servers reach this one.")
        }
        guard let secretFile else {
            throw ValidationError("--cluster needs --cluster-secret-file, the same secret for all servers.")
        }
        self.advertise = advertise
        self.secretFile = secretFile
    }

    private static func isAllowedInName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// The secrets in the file: what is older than another may be below it.
    func secrets() throws -> [[UInt8]] {
        guard let data = FileManager.default.contents(atPath: secretFile) else {
            throw Failure(
                status: .noInput,
                message: "The file '\(secretFile)' with the cluster's secret cannot be read."
            )
        }
        return data.split(separator: UInt8(ascii: "\n")).map { line in
            Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
        }
    }
}
