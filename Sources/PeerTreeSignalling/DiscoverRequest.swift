import JSON
import PeerTreeCore

/// What a client asks for.
struct DiscoverRequest {
    let createsTree: Bool
    let treeID: String?
    let isNative: Bool
    let stripes: Int
    let parity: Int
    let isEncrypted: Bool
    /// The key of a signed tree.
    let key: SourceKey?
    /// That the tree is the sender's.
    let proof: TreeProof?
    let capacity: Int?
    let resumeToken: String?
    /// The program, for dashboards: see ``agentName(_:)``.
    let agent: String?
    /// Where a peer that comes back is.
    var place: ClaimedPlace

    /// The first 48 characters of a program's name, of letters, digits and a few marks: it is shown to people.
    private static func agentName(_ text: String?) -> String? {
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
}
