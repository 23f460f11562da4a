public import NIOCore

/// An address, or a network of them, such as `192.0.2.1`, `10.0.0.0/8` or `2001:db8::/32` (RFC 4632, RFC 4291).
public struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    /// The first address of the range: 4 bytes of an IPv4 one, 16 of an IPv6 one.
    private let first: [UInt8]
    /// How many bits all addresses of the range have in common.
    private let prefixBits: Int

    /// Reads an address, or an address, a slash and the number of bits that count; nil for anything else. Bits beyond
    /// those do not matter.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let bytes = (try? SocketAddress(ipAddress: String(parts[0]), port: 0))?.internetBytes
        else { return nil }
        var bits = bytes.count * 8
        if parts.count == 2 {
            guard let given = Int(parts[1]), (0...bits).contains(given), parts[1].utf8.allSatisfy({ $0 != 0x2B })
            else { return nil }
            bits = given
        }
        first = bytes
        prefixBits = bits
    }

    /// Whether an address is in the range. An IPv4 address inside of an IPv6 one counts as such.
    public func contains(_ address: SocketAddress?) -> Bool {
        guard let bytes = address?.internetBytes, bytes.count == first.count else { return false }
        let whole = prefixBits / 8
        guard bytes.prefix(whole) == first.prefix(whole) else { return false }
        guard prefixBits % 8 > 0 else { return true }
        return (bytes[whole] ^ first[whole]) >> UInt8(8 - prefixBits % 8) == 0
    }

    /// The range as it is written.
    public var description: String {
        let buffer = ByteBuffer(bytes: first)
        let address = (try? SocketAddress(packedIPAddress: buffer, port: 0))?.ipAddress ?? ""
        return prefixBits == first.count * 8 ? address : "\(address)/\(prefixBits)"
    }
}

extension SocketAddress {
    /// The 4 bytes of an IPv4 address, also inside of an IPv6 one, or the 16 of an IPv6 address; nil for other kinds.
    var internetBytes: [UInt8]? {
        let bytes = withSockAddr { pointer, size -> [UInt8]? in
            // `sockaddr_in` has its address at offset 4, `sockaddr_in6` at offset 8, on every system.
            let all = UnsafeRawBufferPointer(start: pointer, count: size)
            switch self {
            case .v4: return all.count >= 8 ? Array(all[4..<8]) : nil
            case .v6: return all.count >= 24 ? Array(all[8..<24]) : nil
            case .unixDomainSocket: return nil
            }
        }
        guard let bytes, bytes.count == 16 else { return bytes }
        let isMappedIPv4 = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        return isMappedIPv4 ? Array(bytes[12...]) : bytes
    }
}
