import JSON

/// What is asked of etcd in one call that has one answer.
package enum EtcdRequest: Hashable, Sendable {
    /// A token for a user. Answered by ``EtcdAnswer/token(_:)``.
    case authenticate(user: String, password: String)
    /// Keys and their values. Answered by ``EtcdAnswer/range(_:)``.
    case range(EtcdRange)
    /// Writes one key, whatever it was. Answered by ``EtcdAnswer/put(revision:)``.
    case put(EtcdPut)
    /// Compares and writes at once. Answered by ``EtcdAnswer/transaction(_:)``.
    case transaction(EtcdTransaction)
    /// A new lease of so many seconds. Answered by ``EtcdAnswer/granted(lease:seconds:)``.
    case grantLease(seconds: Int64)
    /// The lease's time starts anew. Answered by ``EtcdAnswer/keptAlive(seconds:)``.
    case keepAlive(lease: Int64)
    /// Ends a lease, and the keys under it. Answered by ``EtcdAnswer/revoked``.
    case revokeLease(Int64)
}

/// The keys from ``key`` up to, and without, ``end``.
package struct EtcdRange: Hashable, Sendable {
    package var key: [UInt8]
    /// Empty for ``key`` alone.
    package var end: [UInt8] = []
    /// How many at most.
    package var limit = EtcdLimits.keysPerPage
    /// As they were at this revision of the store; 0 for now.
    package var revision: Int64 = 0

    /// One key.
    package init(key: [UInt8]) { self.key = key }

    /// All keys that begin with `prefix`, of which the last byte is not 255, behind those up to `last`.
    package init(prefix: [UInt8], after last: [UInt8]? = nil, revision: Int64 = 0) {
        key = last.map { $0 + [0] } ?? prefix
        end = Self.end(ofPrefix: prefix)
        self.revision = revision
    }

    /// The first key behind all that begin with `prefix`.
    package static func end(ofPrefix prefix: [UInt8]) -> [UInt8] { prefix.dropLast() + [(prefix.last ?? 0) &+ 1] }

    package func contains(_ other: [UInt8]) -> Bool {
        end.isEmpty ? other == key : !other.lexicographicallyPrecedes(key) && other.lexicographicallyPrecedes(end)
    }
}

/// A key and what is to be written there.
package struct EtcdPut: Hashable, Sendable {
    package var key: [UInt8]
    package var value: [UInt8]
    /// The lease with whose end the key ends; 0 for none.
    package var lease: Int64

    package init(key: [UInt8], value: [UInt8], lease: Int64 = 0) {
        self.key = key
        self.value = value
        self.lease = lease
    }
}

/// Writes ``puts`` if all ``conditions`` hold, and nothing else; answers with ``reads`` if they do not.
package struct EtcdTransaction: Hashable, Sendable {
    /// What must be so at that moment. A key that does not exist has revision 0 as both.
    package enum Condition: Hashable, Sendable {
        case createRevision([UInt8], Int64)
        case modRevision([UInt8], Int64)
        /// Never so for a key that does not exist.
        case value([UInt8], [UInt8])
    }

    package var conditions: [Condition]
    package var puts: [EtcdPut]
    package var reads: [[UInt8]]

    package init(if conditions: [Condition], put puts: [EtcdPut], otherwiseRead reads: [[UInt8]] = []) {
        self.conditions = conditions
        self.puts = puts
        self.reads = reads
    }
}

extension EtcdRequest {
    /// Where the JSON gateway takes it.
    var path: String {
        switch self {
        case .authenticate: "/v3/auth/authenticate"
        case .range: "/v3/kv/range"
        case .put: "/v3/kv/put"
        case .transaction: "/v3/kv/txn"
        case .grantLease: "/v3/lease/grant"
        case .keepAlive: "/v3/lease/keepalive"
        case .revokeLease: "/v3/lease/revoke"
        }
    }

    /// Whether asking twice does no more than asking once.
    var mayBeRepeated: Bool {
        switch self {
        case .authenticate, .range, .keepAlive, .revokeLease: true
        case .put, .transaction, .grantLease: false
        }
    }

    var json: JSONValue {
        switch self {
        case .authenticate(let user, let password): ["name": .string(user), "password": .string(password)]
        case .range(let range): range.json
        case .put(let put): put.json
        case .transaction(let transaction): transaction.json
        case .grantLease(let seconds): ["TTL": .etcd(seconds)]
        case .keepAlive(let lease), .revokeLease(let lease): ["ID": .etcd(lease)]
        }
    }
}

extension JSONValue {
    static func etcd(_ bytes: [UInt8]) -> JSONValue { .string(Base64.encode(bytes)) }
    static func etcd(_ number: Int64) -> JSONValue { .string(String(number)) }
}

extension EtcdRange {
    fileprivate var json: JSONValue {
        var object: JSONObject = ["key": .etcd(key), "limit": .etcd(Int64(limit))]
        if !end.isEmpty { object["range_end"] = .etcd(end) }
        if revision > 0 { object["revision"] = .etcd(revision) }
        return .object(object)
    }
}

extension EtcdPut {
    fileprivate var json: JSONValue { ["key": .etcd(key), "value": .etcd(value), "lease": .etcd(lease)] }
}

extension EtcdTransaction {
    fileprivate var json: JSONValue {
        [
            "compare": .array(conditions.map(\.json)),
            "success": .array(puts.map { ["request_put": $0.json] }),
            "failure": .array(reads.map { ["request_range": EtcdRange(key: $0).json] }),
        ]
    }
}

extension EtcdTransaction.Condition {
    fileprivate var json: JSONValue {
        switch self {
        case .createRevision(let key, let revision):
            ["result": "EQUAL", "target": "CREATE", "key": .etcd(key), "create_revision": .etcd(revision)]
        case .modRevision(let key, let revision):
            ["result": "EQUAL", "target": "MOD", "key": .etcd(key), "mod_revision": .etcd(revision)]
        case .value(let key, let value):
            ["result": "EQUAL", "target": "VALUE", "key": .etcd(key), "value": .etcd(value)]
        }
    }
}
