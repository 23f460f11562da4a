#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The addresses under which this host may be reached.
enum HostAddresses {
    /// Addresses of all interfaces that are up, without link-local ones; loopback ones as asked, nil meaning "only if
    /// there are no others". At most 32, in the system's order, IPv6 after IPv4.
    static func gather(includeLoopback: Bool?) -> [TransportAddress] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: [TransportAddress] = []
        var cursor = list
        while let entry = cursor {
            cursor = entry.pointee.ifa_next
            guard entry.pointee.ifa_flags & UInt32(IFF_UP) != 0, let pointer = entry.pointee.ifa_addr,
                let address = TransportAddress(pointer), !address.isLinkLocal, !found.contains(address)
            else { continue }
            found.append(address)
        }
        let others = found.filter { !$0.isLoopback }
        let chosen = includeLoopback ?? others.isEmpty ? others + found.filter(\.isLoopback) : others
        return Array(chosen.sorted { $0.family.rawValue < $1.family.rawValue }.prefix(32))
    }
}
