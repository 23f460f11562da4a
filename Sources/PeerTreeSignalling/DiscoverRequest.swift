import JSON
package import PeerTreeCore

/// What a client asks for.
package struct DiscoverRequest: Equatable, Sendable {
    package let createsTree: Bool
    package let treeID: String?
    package let isNative: Bool
    package let stripes: Int
    package let parity: Int
    package let isEncrypted: Bool
    /// The key of a signed tree.
    package let key: SourceKey?
    /// That the tree is the sender's.
    package let proof: TreeProof?
    package let capacity: Int?
    package let resumeToken: String?
    /// The program, for dashboards: see ``agentName(_:)``.
    package let agent: String?
    /// Where a peer that comes back is.
    package var place: ClaimedPlace

    /// The first 48 characters of a program's name, of letters, digits and a few marks: it is shown to people.
    package static func agentName(_ text: String?) -> String? {
        guard let text else { return nil }
        let allowed = text.utf8.prefix(48).filter { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: " "), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "/"): true
            default: false
            }
        }
        return allowed.isEmpty ? nil : String(decoding: allowed, as: UTF8.self)
    }

    init(_ value: JSONValue, options: SignallingOptions) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        createsTree = try payload.flag("createNew")
        treeID = try payload.optionalString("treeID")
        let native = try payload.object("peerTree")
        isNative = native != nil
        stripes = try native?.optionalInteger("stripes") ?? 1
        parity = try native?.optionalInteger("parity") ?? 0
        isEncrypted = try native?.flag("encrypted") ?? false
        let key = try native?.optionalBytes("key", count: SourceKey.length).flatMap { SourceKey($0) }
        let signature = try native?.optionalBytes("proof", count: Signature.length).flatMap { Signature($0) }
        let host = try native?.optionalString("host")
        self.key = key
        proof =
            if let key, let signature, let host { TreeProof(key: key, signature: signature, host: host) } else { nil }
        capacity = try native?.optionalInteger("capacity")
        resumeToken = try native?.optionalToken("resume")
        agent = Self.agentName(try native?.optionalString("agent"))
        place = if let place = try native?.object("place") { try ClaimedPlace(place) } else { ClaimedPlace() }
        if let native {
            let version = try native.integer("v")
            guard version == SignallingVersion.current else { throw .otherVersion(version) }
        }
    }

    package init(
        createsTree: Bool,
        treeID: String?,
        isNative: Bool,
        stripes: Int,
        parity: Int,
        isEncrypted: Bool,
        key: SourceKey?,
        proof: TreeProof?,
        capacity: Int?,
        resumeToken: String?,
        agent: String?,
        place: ClaimedPlace
    ) {
        self.createsTree = createsTree
        self.treeID = treeID
        self.isNative = isNative
        self.stripes = stripes
        self.parity = parity
        self.isEncrypted = isEncrypted
        self.key = key
        self.proof = proof
        self.capacity = capacity
        self.resumeToken = resumeToken
        self.agent = agent
        self.place = place
    }
}
