import JSON

/// What a watch is to tell: all changes of keys that begin with ``prefix``.
package struct EtcdWatch: Hashable, Sendable {
    package var prefix: [UInt8]
    /// The first revision that is of interest, which may be in the past.
    package var revision: Int64

    package init(prefix: [UInt8], from revision: Int64) {
        self.prefix = prefix
        self.revision = revision
    }

    static let path = "/v3/watch"

    var json: JSONValue {
        [
            "create_request": [
                "key": .etcd(prefix), "range_end": .etcd(EtcdRange.end(ofPrefix: prefix)),
                "start_revision": .etcd(revision),
            ]
        ]
    }
}

/// One message of a watch.
package enum EtcdWatchMessage: Hashable, Sendable {
    /// What happened to a key.
    package enum Event: Hashable, Sendable {
        case put(EtcdKeyValue)
        case deleted(key: [UInt8], revision: Int64)
    }

    /// The watch began; the store is at `revision`.
    case created(revision: Int64)
    /// Changes in the order of their revisions, up to `revision`; none where only the revision is told.
    case events([Event], revision: Int64)
    /// The watch ended, since its revision is no longer kept: only what came behind `compactRevision` is.
    case compacted(compactRevision: Int64)
}

extension EtcdWatchMessage {
    init(_ json: JSONValue) throws(EtcdError) {
        if let error = EtcdError(status: 200, json) { throw error }
        let result = try EtcdFields(json, "watch").object("result")
        let compactRevision = try result.count("compact_revision")
        if compactRevision > 0 {
            self = .compacted(compactRevision: compactRevision)
        } else if try result.flag("canceled") {
            throw EtcdError(
                .refused(status: 1),
                "etcd ended the watch: \(try result.string("cancel_reason").prefix(300))"
            )
        } else if try result.flag("created") {
            self = .created(revision: try result.headerRevision())
        } else {
            self = .events(try Self.events(result), revision: try result.headerRevision())
        }
    }

    private static func events(_ result: EtcdFields) throws(EtcdError) -> [Event] {
        var events: [Event] = []
        for json in try result.list("events", atMost: EtcdLimits.eventsPerMessage) {
            let fields = try EtcdFields(json, "event")
            let keyValue = try EtcdKeyValue(json["kv"])
            switch try fields.string("type") {
            case "", "PUT": events.append(.put(keyValue))
            case "DELETE": events.append(.deleted(key: keyValue.key, revision: keyValue.modRevision))
            case let type:
                throw EtcdError(.malformed, "etcd's watch tells of an event '\(type.prefix(40))', not PUT or DELETE")
            }
        }
        return events
    }
}
