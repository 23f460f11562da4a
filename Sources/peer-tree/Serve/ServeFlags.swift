import ArgumentParser

// The options of `serve` that can also come from the environment or from a file. All are read as text here;
// `ServerSettings` says what is allowed, so that a wrong value meets the same sentence wherever it was written.

/// Where to listen, how trees are shaped, what is logged.
struct ServerFlags: SettingFlags {
    @Option(help: "The address to listen on (default: 127.0.0.1).")
    var host: String?

    @Option(help: "The port to listen on; 0 takes a free one (default: 3000).")
    var port: String?

    @Option(help: "How many children a viewer feeds at most (default: 4).")
    var k: String?

    @Option(help: "How many children a source feeds at most (default: 10).")
    var k1: String?

    @Option(help: "Whether viewers keep a link to a second parent in reach: on or off (default: on).")
    var standbys: String?

    @Option(
        help:
            "Event loops over which sockets and trees are spread; a tree stays on one (default: none, which is one for each core)."
    )
    var loops: String?

    @Option(help: "The least that is logged: trace, debug, info, notice, warning, error or critical (default: info).")
    var logLevel: String?

    @Option(help: "How it is logged, on standard error: text, or json with one object a line (default: text).")
    var logFormat: String?

    @Option(
        help: ArgumentHelp(
            "The file with the key that lets peers come back after a restart; made if absent (default: none).",
            valueName: "file"
        )
    )
    var stateKey: String?

    @Option(help: "That key as a secret text of at least 32 characters, instead of a file (default: none).")
    var stateSecret: String?

    @Option(help: "Seconds a viewer without its socket keeps its place (default: 15).")
    var resumeWindow: String?

    @Option(help: "Seconds a tree survives without its source's socket (default: 15).")
    var sourceResumeWindow: String?

    @Option(help: "Seconds that a peer's neighbours have to come back after a restart (default: 10).")
    var restoreWindow: String?

    @Option(help: "Seconds after a restart that a join waits for its tree to come back (default: 8).")
    var restoreWait: String?

    @Option(help: "Seconds after which each client is asked whether it is there (default: 25).")
    var pingInterval: String?

    @Option(help: "Seconds that it, or the server to it, may be silent beyond that (default: 20).")
    var pingTimeout: String?

    @Option(help: "The folder with the browser client (default: beside the program, or dist above it or here).")
    var web: String?

    @Option(help: "Seconds that open sockets are given to close when the server stops (default: 2).")
    var shutdownTimeout: String?
}

/// Who may use the server.
struct AccessFlags: SettingFlags {
    @Option(help: "The origins whose web pages may connect, with commas between; * is all (default: *).")
    var origins: String?

    @Option(
        help: """
            Reverse proxies that are believed about whom they speak for, by X-Forwarded-For or the PROXY protocol, as \
            addresses or networks with commas between (default: none).
            """
    )
    var trustedProxies: String?

    @Option(
        help: """
            What the server is called, with commas between: a source that takes a signed tree has to have dialled one of \
            these, so that nobody can show its proof to this server who runs another (default: none, which is any).
            """
    )
    var hosts: String?

    @Option(help: "What a client must send as its token to create trees; it may join them too (default: none).")
    var createSecret: String?

    @Option(help: "What a client must send as its token to join trees (default: none).")
    var joinSecret: String?

    @Option(help: "The secret of the JSON Web Tokens (HS256, HS384, HS512) of those who may come (default: none).")
    var jwtSecret: String?

    @Option(
        help: ArgumentHelp("The public key of such tokens, in PEM (default: none).", valueName: "file")
    )
    var jwtPublicKey: String?

    @Option(
        help: ArgumentHelp("The public keys of such tokens, a JSON Web Key Set (default: none).", valueName: "file")
    )
    var jwtKeySet: String?

    @Option(help: "Who must have issued a token: its claim iss (default: anybody who can sign it).")
    var jwtIssuer: String?

    @Option(help: "For whom a token must be: its claim aud (default: none, and no token may have the claim).")
    var jwtAudience: String?

    @Option(help: "Who may look at /dashboard, which shows all trees: nobody or everybody (default: nobody).")
    var dashboard: String?

    @Option(help: "What else opens /dashboard, typed there or behind # in its address (default: none).")
    var dashboardSecret: String?

    @Option(help: ArgumentHelp("The certificates for HTTPS, in PEM (default: none).", valueName: "file"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("The private key for HTTPS, in PEM (default: none).", valueName: "file"))
    var tlsKey: String?
}

/// What one client, and all together, may take.
struct LimitFlags: SettingFlags {
    @Option(help: "TCP connections at once (default: 100000).")
    var maxConnections: String?

    @Option(help: "Socket.IO sessions at once (default: 100000).")
    var maxSessions: String?

    @Option(help: "TCP connections, and sessions, of one address (default: 20000).")
    var maxConnectionsPerAddress: String?

    @Option(help: "Bytes of one message, or of one polling request (default: 1000000).")
    var maxPayload: String?

    @Option(help: "Bytes that wait for one slow client before it is cut off (default: 4194304).")
    var maxBufferedBytes: String?

    @Option(help: "Trees at once; in a cluster, at all servers together (default: 100000).")
    var maxTrees: String?

    @Option(help: "Peers in one tree, its source included (default: 10000000).")
    var maxPeersPerTree: String?

    @Option(help: "Joins that may wait for their tree to come back after a restart (default: 10000).")
    var maxWaitingJoins: String?

    @Option(help: "Peers in all trees together; in a cluster, those of all servers (default: 10000000).")
    var maxPeers: String?

    @Option(help: "Trees that one socket may create, one after the other (default: 100).")
    var maxTreesPerSocket: String?

    @Option(help: "Sockets of one address; IPv6 addresses count by their first 64 bits (default: 20000).")
    var maxSocketsPerAddress: String?

    @Option(help: "Trees of sources at one address (default: 1000).")
    var maxTreesPerAddress: String?

    @Option(help: "Joins a second from one address in the long run (default: 1000).")
    var joinsPerSecondPerAddress: String?

    @Option(help: "Joins at once from one address (default: 20000).")
    var joinBurstPerAddress: String?

    @Option(help: "Events a client may send a second in the long run (default: 200).")
    var eventsPerSecond: String?

    @Option(help: "Events a client may send at once (default: 1000).")
    var eventBurst: String?
}

/// A group of options whose names are those of settings.
protocol SettingFlags: ParsableArguments {}

extension SettingFlags {
    /// The flags that were given, by the setting's name.
    ///
    /// The argument parser finds options by reflection too, and names them as this does.
    var values: [String: String] {
        var values: [String: String] = [:]
        for child in Mirror(reflecting: self).children {
            guard let label = child.label, let option = child.value as? Option<String?> else { continue }
            values[Self.name(of: label)] = option.wrappedValue
        }
        return values
    }

    /// `_maxTrees` is the storage of `--max-trees`.
    private static func name(of label: String) -> String {
        label.dropFirst().reduce(into: "") { name, character in
            if character.isUppercase { name.append("-") }
            name.append(character.lowercased())
        }
    }
}
