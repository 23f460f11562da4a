#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// An IP address and a UDP port: one end of a candidate pair (RFC 8445 section 4, "transport address").
public struct TransportAddress: Hashable, Sendable, CustomStringConvertible {
    /// The version of IP.
    public enum Family: UInt8, Hashable, Sendable {
        /// IPv4.
        case ipv4 = 4
        /// IPv6.
        case ipv6 = 6
    }

    /// The version of IP this address belongs to.
    public let family: Family
    /// The UDP port, in host byte order.
    public let port: UInt16
    /// The address in network order: all 16 bytes of an IPv6 address, or the low 32 bits of `low` for IPv4.
    let high: UInt64
    let low: UInt64

    /// Parses a literal address, such as `192.0.2.1` or `2001:db8::1`. Nil when `ip` is not one (a host name, say).
    public init?(ip: String, port: UInt16) {
        var v4 = in_addr()
        if inet_pton(AF_INET, ip, &v4) == 1 {
            self.init(ipv4: UInt32(bigEndian: v4.s_addr), port: port)
            return
        }
        var v6 = in6_addr()
        guard inet_pton(AF_INET6, ip, &v6) == 1 else { return nil }
        self.init(ipv6: v6, port: port)
    }

    init(ipv4: UInt32, port: UInt16) {
        self.family = .ipv4
        self.port = port
        self.high = 0
        self.low = UInt64(ipv4)
    }

    init(high: UInt64, low: UInt64, port: UInt16) {
        self.family = .ipv6
        self.port = port
        self.high = high
        self.low = low
    }

    init(ipv6: in6_addr, port: UInt16) {
        let (high, low) = withUnsafeBytes(of: ipv6) { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        self.init(high: high, low: low, port: port)
    }

    func with(port: UInt16) -> TransportAddress {
        switch self.family {
        case .ipv4: TransportAddress(ipv4: UInt32(truncatingIfNeeded: self.low), port: port)
        case .ipv6: TransportAddress(high: self.high, low: self.low, port: port)
        }
    }

    var isLoopback: Bool {
        switch self.family {
        case .ipv4: self.low >> 24 == 127
        case .ipv6: self.high == 0 && self.low == 1
        }
    }

    var isLinkLocal: Bool {
        switch self.family {
        case .ipv4: self.low >> 16 == 0xA9FE
        case .ipv6: self.high >> 54 == 0xFE80 >> 6
        }
    }

    /// Whether a datagram to this address goes to one host: neither unspecified, multicast nor broadcast.
    /// A remote candidate that is none of a host's must not turn us into an amplifier.
    var isUnicast: Bool {
        guard self.port != 0 else { return false }
        switch self.family {
        case .ipv4: return self.low >> 24 != 0 && self.low >> 28 < 0xE
        case .ipv6: return !(self.high == 0 && self.low == 0) && self.high >> 56 != 0xFF
        }
    }

    /// The literal IP address, without the port.
    public var ip: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        switch self.family {
        case .ipv4:
            var address = in_addr(s_addr: UInt32(truncatingIfNeeded: self.low).bigEndian)
            inet_ntop(AF_INET, &address, &text, socklen_t(text.count))
        case .ipv6:
            var address = self.in6
            inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The address and port: `192.0.2.1:5000` or `[2001:db8::1]:5000`.
    public var description: String {
        self.family == .ipv4 ? "\(self.ip):\(self.port)" : "[\(self.ip)]:\(self.port)"
    }

    private var in6: in6_addr {
        var address = in6_addr()
        withUnsafeMutableBytes(of: &address) { bytes in
            bytes.storeBytes(of: self.high.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: self.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return address
    }
}

// MARK: - Socket addresses

extension TransportAddress {
    init(_ address: sockaddr_in) {
        self.init(ipv4: UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port))
    }

    init(_ address: sockaddr_in6) {
        self.init(ipv6: address.sin6_addr, port: UInt16(bigEndian: address.sin6_port))
    }

    init?(_ pointer: UnsafePointer<sockaddr>) {
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET:
            self.init(UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in.self))
        case AF_INET6:
            self.init(UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in6.self))
        default:
            return nil
        }
    }

    /// Writes the address as the operating system wants it and returns its length.
    func write(to storage: inout sockaddr_storage) -> socklen_t {
        withUnsafeMutableBytes(of: &storage) { bytes in
            switch self.family {
            case .ipv4:
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = self.port.bigEndian
                address.sin_addr.s_addr = UInt32(truncatingIfNeeded: self.low).bigEndian
                bytes.storeBytes(of: address, as: sockaddr_in.self)
                return socklen_t(MemoryLayout<sockaddr_in>.size)
            case .ipv6:
                var address = sockaddr_in6()
                address.sin6_family = sa_family_t(AF_INET6)
                address.sin6_port = self.port.bigEndian
                address.sin6_addr = self.in6
                bytes.storeBytes(of: address, as: sockaddr_in6.self)
                return socklen_t(MemoryLayout<sockaddr_in6>.size)
            }
        }
    }
}
