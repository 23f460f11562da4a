import JSON

/// What etcd answers to an ``EtcdRequest``.
package enum EtcdAnswer: Hashable, Sendable {
    case token(String)
    case range(EtcdRangeAnswer)
    case put(revision: Int64)
    case transaction(EtcdTransactionAnswer)
    case granted(lease: Int64, seconds: Int64)
    /// 0 seconds: the lease is lost. etcd calls that no error.
    case keptAlive(seconds: Int64)
    case revoked
}

/// Some of the keys that were asked for.
package struct EtcdRangeAnswer: Hashable, Sendable {
    /// The store's revision when it answered.
    package var revision: Int64
    /// In their order.
    package var keys: [EtcdKeyValue]
    /// Whether there are more behind them.
    package var hasMore: Bool

    package init(revision: Int64, keys: [EtcdKeyValue], hasMore: Bool) {
        self.revision = revision
        self.keys = keys
        self.hasMore = hasMore
    }

    /// - Parameter headed: Whether it comes by itself. In a transaction the header is that of the whole.
    init(_ fields: EtcdFields) throws(EtcdError) {
        revision = try fields.headerRevision()
        keys = []
        for json in try fields.list("kvs", atMost: EtcdLimits.keysPerPage) { keys.append(try EtcdKeyValue(json)) }
        hasMore = try fields.flag("more")
        let isSorted = zip(keys, keys.dropFirst()).allSatisfy { $0.key.lexicographicallyPrecedes($1.key) }
        guard isSorted, !keys.isEmpty || !hasMore else {
            throw EtcdError(
                .malformed,
                "etcd's answer lists keys out of their order, or says of none that there are more"
            )
        }
    }
}

/// Whether a transaction wrote.
package struct EtcdTransactionAnswer: Hashable, Sendable {
    /// Whether all conditions held, and what was to be written is.
    package var succeeded: Bool
    /// The store's revision behind it: when it wrote, the one at which it did.
    package var revision: Int64
    /// What was to be read otherwise; keys that do not exist are left out.
    package var read: [EtcdKeyValue]

    package init(succeeded: Bool, revision: Int64, read: [EtcdKeyValue]) {
        self.succeeded = succeeded
        self.revision = revision
        self.read = read
    }

    init(_ fields: EtcdFields) throws(EtcdError) {
        succeeded = try fields.flag("succeeded")
        revision = try fields.headerRevision()
        read = []
        for json in try fields.list("responses", atMost: EtcdLimits.keysPerPage) {
            let response = try EtcdFields(json, "responses")
            guard response.has("response_range") else { continue }
            let range = try response.object("response_range")
            for json in try range.list("kvs", atMost: EtcdLimits.keysPerPage) { read.append(try EtcdKeyValue(json)) }
        }
    }
}

extension EtcdAnswer {
    /// The answer to `request` that `body` holds.
    init(to request: EtcdRequest, status: Int, body: [UInt8]) throws(EtcdError) {
        let json = try Self.parse(body, status: status)
        if let error = EtcdError(status: status, json) { throw error }
        switch request {
        case .authenticate: self = .token(try Self.token(json))
        case .range: self = .range(try EtcdRangeAnswer(EtcdFields(json, "range")))
        case .put: self = .put(revision: try EtcdFields(json, "put").headerRevision())
        case .transaction: self = .transaction(try EtcdTransactionAnswer(EtcdFields(json, "transaction")))
        case .grantLease: self = try Self.granted(EtcdFields(json, "lease"))
        case .keepAlive(let lease): self = .keptAlive(seconds: try Self.kept(lease, EtcdFields(json, "keepalive")))
        case .revokeLease: self = .revoked
        }
    }

    static func parse(_ body: [UInt8], status: Int) throws(EtcdError) -> JSONValue {
        do {
            return try JSONValue(parsing: body, limits: EtcdLimits.json)
        } catch {
            let start = String(decoding: body.prefix(60), as: UTF8.self)
            throw EtcdError(
                .malformed,
                "HTTP status \(status) with \(body.count) bytes that are no JSON of etcd's (\(error)), beginning '\(start)': "
                    + "is this the address of etcd's clients?"
            )
        }
    }

    private static func token(_ json: JSONValue) throws(EtcdError) -> String {
        let token = try EtcdFields(json, "authenticate").string("token")
        guard (1...4_096).contains(token.utf8.count), token.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw EtcdError(.malformed, "etcd's token is no word of at most 4096 printable characters")
        }
        return token
    }

    private static func granted(_ fields: EtcdFields) throws(EtcdError) -> EtcdAnswer {
        let (lease, seconds) = (try fields.integer("ID"), try fields.count("TTL"))
        guard lease != 0, seconds > 0 else {
            throw EtcdError(.malformed, "etcd granted lease \(lease) of \(seconds) seconds, of which neither can be 0")
        }
        return .granted(lease: lease, seconds: seconds)
    }

    private static func kept(_ lease: Int64, _ fields: EtcdFields) throws(EtcdError) -> Int64 {
        let result = try fields.object("result")
        let answered = try result.integer("ID")
        guard answered == lease else {
            throw EtcdError(.malformed, "etcd kept lease \(answered) alive where \(lease) was to be")
        }
        return try result.count("TTL")
    }
}

extension EtcdError {
    /// The refusal in an answer: by its status, or, where that went out before, inside.
    init?(status: Int, _ json: JSONValue) {
        let inner = json["error"]?.objectValue.map { JSONValue.object($0) }
        guard status != 200 || json["error"] != nil else { return nil }
        let object = inner ?? json
        let said = object["message"]?.stringValue ?? object["error"]?.stringValue ?? "no reason"
        let code = object["code"]?.intValue ?? object["grpc_code"]?.intValue
        self.init(.refused(status: code ?? 2), "etcd refused: \(said.prefix(300)) (HTTP status \(status))")
    }
}
