/// A transport address at which a peer may be reached (RFC 8445 section 5.1, written as in RFC 8839 section 5.1).
public struct ICECandidate: Hashable, Sendable {
    /// How the address was learnt.
    public enum CandidateType: String, Hashable, Sendable {
        /// An address of one of the peer's own interfaces.
        case host
        /// The address a STUN server sees.
        case serverReflexive = "srflx"
        /// The address the other peer sees, learnt from a connectivity check.
        case peerReflexive = "prflx"
        /// An address of a TURN server.
        case relayed = "relay"

        /// RFC 8445 section 5.1.2.2.
        var preference: UInt32 {
            switch self {
            case .host: 126
            case .peerReflexive: 110
            case .serverReflexive: 100
            case .relayed: 0
            }
        }
    }

    /// Groups candidates that share type, base and server.
    public var foundation: String
    /// Larger is preferred.
    public var priority: UInt32
    /// Where checks are sent to.
    public var address: TransportAddress
    /// How the address was learnt.
    public var type: CandidateType
    /// For reflexive and relayed candidates, the address they stem from.
    public var relatedAddress: TransportAddress?

    /// RFC 8445 section 5.1.2.1, for component 1.
    static func priority(type: CandidateType, localPreference: UInt16) -> UInt32 {
        type.preference << 24 | UInt32(localPreference) << 8 | 255
    }
}

/// Why a candidate line was not taken.
enum ICECandidateError: Error, Equatable {
    case malformed
    /// A host name instead of an address (see `HostNameCandidate`), TCP, or a component other than 1: well-formed, of
    /// no use here.
    case unsupported
}

extension ICECandidate {
    /// The value of `a=candidate:`, beginning with `candidate:`.
    public var description: String {
        var text = "candidate:\(self.foundation) 1 udp \(self.priority) \(self.address.ip) \(self.address.port)"
        text += " typ \(self.type.rawValue)"
        if let relatedAddress { text += " raddr \(relatedAddress.ip) rport \(relatedAddress.port)" }
        return text
    }

    /// Parses `candidate:…`, with or without a leading `a=`. Unknown extensions are skipped.
    init(parsing line: some StringProtocol) throws(ICECandidateError) {
        guard line.utf8.count <= 1024 else { throw .malformed }
        var text = Substring(line)
        if text.hasPrefix("a=") { text = text.dropFirst(2) }
        guard text.hasPrefix("candidate:") else { throw .malformed }
        let fields = text.dropFirst("candidate:".count).split(separator: " ")
        guard fields.count >= 8, fields[6] == "typ", (1...32).contains(fields[0].utf8.count),
            let component = UInt16(fields[1]), let priority = UInt32(fields[3]), let port = UInt16(fields[5])
        else { throw .malformed }
        guard let type = CandidateType(rawValue: String(fields[7])), component == 1,
            fields[2].lowercased() == "udp",
            let address = TransportAddress(ip: String(fields[4]), port: port), address.isUnicast
        else { throw .unsupported }
        self.init(foundation: String(fields[0]), priority: priority, address: address, type: type)
        var index = 8
        var related: (ip: String?, port: UInt16?) = (nil, nil)
        while index + 1 < fields.count {
            if fields[index] == "raddr" { related.ip = String(fields[index + 1]) }
            if fields[index] == "rport" { related.port = UInt16(fields[index + 1]) }
            index += 2
        }
        if let ip = related.ip, let port = related.port { self.relatedAddress = TransportAddress(ip: ip, port: port) }
    }
}
