/// The candidates of this host's own addresses (RFC 8445 section 5.1.1.1).
enum HostCandidates {
    /// One for each address that a socket can be reached at, the best first.
    static func gather(_ configuration: WebRTCConfiguration, _ sockets: [UDPSocket]) -> [GatheredCandidate] {
        let addresses = HostAddresses.gather(includeLoopback: configuration.includeLoopbackCandidates)
        return Self.candidates(bound: sockets.map(\.localAddress), host: addresses)
    }

    /// - Parameters:
    ///   - bound: what the sockets are bound to, by base.
    ///   - host: the addresses of the host's interfaces, which an unspecified one stands for.
    static func candidates(bound: [TransportAddress], host: [TransportAddress]) -> [GatheredCandidate] {
        var byFamily: [TransportAddress.Family: [(address: TransportAddress, base: Int)]] = [:]
        for (base, local) in bound.enumerated() {
            let addresses = local.isUnicast ? [local] : host.filter { $0.family == local.family }
            byFamily[local.family] = addresses.map { ($0.with(port: local.port), base) }
        }
        let ordered = Self.interleave(
            (byFamily[.ipv6] ?? []).sorted { Self.rank($0.address) < Self.rank($1.address) },
            (byFamily[.ipv4] ?? []).sorted { Self.rank($0.address) < Self.rank($1.address) }
        )
        return ordered.enumerated().map { index, entry in
            let candidate = ICECandidate(
                foundation: "\(index + 1)",
                priority: ICECandidate.priority(type: .host, localPreference: .max - UInt16(clamping: index)),
                address: entry.address,
                type: .host
            )
            return GatheredCandidate(candidate: candidate, base: entry.base)
        }
    }

    /// Takes from both in turn, so that an IP version that leads nowhere costs little time (RFC 8421 section 4).
    private static func interleave<Element>(_ first: [Element], _ second: [Element]) -> [Element] {
        var merged: [Element] = []
        for index in 0..<max(first.count, second.count) {
            if index < first.count { merged.append(first[index]) }
            if index < second.count { merged.append(second[index]) }
        }
        return merged
    }

    /// Addresses of wide scope before those that mean something only nearby. The sort is stable in effect, since
    /// interfaces that rank the same are as good as each other.
    private static func rank(_ address: TransportAddress) -> Int {
        if address.isLoopback { return 2 }
        // Unique local addresses (RFC 4193), fc00::/7.
        return address.family == .ipv6 && address.high >> 57 == 0xFC >> 1 ? 1 : 0
    }
}
