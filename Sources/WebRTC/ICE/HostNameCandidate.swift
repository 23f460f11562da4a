/// A candidate of the peer whose address hides behind a name of the local network
/// (draft-ietf-mmusic-mdns-ice-candidates). Only such names are taken: a peer must not make this host look up others.
struct HostNameCandidate: Equatable, Sendable {
    let name: String
    /// All but the address, in whose place the port stands with an address for documentation (RFC 5737).
    let candidate: ICECandidate

    private static let placeholder = "192.0.2.1"

    /// Nil unless the line is a candidate whose address is one label, of letters, digits and hyphens, below `.local`.
    init?(parsing line: some StringProtocol) {
        guard line.utf8.count <= 1024 else { return nil }
        var fields = Substring(line).split(separator: " ").map { String($0) }
        guard fields.count > 4 else { return nil }
        let name = fields[4].lowercased()
        guard name.hasSuffix(".local") else { return nil }
        let label = name.dropLast(".local".count)
        guard (1...63).contains(label.utf8.count),
            label.utf8.allSatisfy({ byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            })
        else { return nil }
        fields[4] = Self.placeholder
        guard let candidate = try? ICECandidate(parsing: fields.joined(separator: " ")) else { return nil }
        self.name = name
        self.candidate = candidate
    }

    func candidate(at address: TransportAddress) -> ICECandidate {
        var candidate = self.candidate
        candidate.address = address
        return candidate
    }
}
