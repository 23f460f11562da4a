package import NIOCore

/// Where a client comes from, as far as limits are concerned: an IPv4 address, or the /64 network of an IPv6 one,
/// because whoever has one address of such a network has them all.
package struct AddressKey: Hashable, Sendable {
    private let network: UInt64
    private let isIPv6: Bool

    /// Nil for what is not an internet address.
    package init?(_ address: SocketAddress?) {
        switch address {
        case .v4?, .v6?: break
        case .unixDomainSocket?, nil: return nil
        }
        let parts = address?.withSockAddr { pointer, size in
            Self.parts(UnsafeRawBufferPointer(start: pointer, count: size))
        }
        guard let parts else { return nil }
        (network, isIPv6) = parts
    }

    /// Reads an address as text, such as `192.0.2.1` or `2001:db8::1`; nil for what is none. A zone (`%eth0`) is passed over.
    package init?(_ text: String) {
        let address = text.split(separator: "%", maxSplits: 1).first.map { String($0) } ?? ""
        self.init(try? SocketAddress(ipAddress: address, port: 0))
    }

    /// The key as one number, which no two keys share: the networks of IPv6 that would look like an IPv4 address are in
    /// a block that nobody has (RFC 4291, section 2.5).
    package var number: UInt64 { network }

    /// `sockaddr_in` has its address at offset 4, `sockaddr_in6` at offset 8, on every system.
    private static func parts(_ address: UnsafeRawBufferPointer) -> (network: UInt64, isIPv6: Bool)? {
        func integer(_ range: Range<Int>) -> UInt64 { address[range].reduce(0) { $0 << 8 | UInt64($1) } }
        guard address.count >= 24 else { return address.count >= 8 ? (integer(4..<8), false) : nil }
        let isMappedIPv4 = integer(8..<16) == 0 && integer(16..<20) == 0xFFFF
        return isMappedIPv4 ? (integer(20..<24), false) : (integer(8..<16), true)
    }
}

/// How many of something each address has, up to a limit.
struct AddressCounter {
    private var counts: [AddressKey: Int] = [:]

    /// Counts one more; false if the address has as many as allowed. Unknown addresses are not limited.
    mutating func add(_ key: AddressKey?, limit: Int) -> Bool {
        guard let key else { return true }
        let count = counts[key] ?? 0
        guard count < limit else { return false }
        counts[key] = count + 1
        return true
    }

    mutating func remove(_ key: AddressKey?) {
        guard let key, let count = counts[key] else { return }
        counts[key] = count > 1 ? count - 1 : nil
    }
}
