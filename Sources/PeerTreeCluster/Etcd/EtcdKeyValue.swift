import JSON

/// A key in etcd, with its value and where both are in its history.
package struct EtcdKeyValue: Hashable, Sendable {
    package var key: [UInt8]
    package var value: [UInt8]
    /// The store's revision at which the key came to be.
    package var createRevision: Int64
    /// The store's revision at which it was written last.
    package var modRevision: Int64
    /// The lease with whose end the key ends; 0 for none.
    package var lease: Int64

    package init(key: [UInt8], value: [UInt8], createRevision: Int64, modRevision: Int64, lease: Int64) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
        self.lease = lease
    }

    init(_ json: JSONValue?) throws(EtcdError) {
        let fields = try EtcdFields(json, "kv")
        key = try fields.bytes("key", atMost: EtcdLimits.keyBytes)
        value = try fields.bytes("value", atMost: EtcdLimits.valueBytes)
        createRevision = try fields.count("create_revision")
        modRevision = try fields.count("mod_revision")
        lease = try fields.integer("lease")
    }
}
