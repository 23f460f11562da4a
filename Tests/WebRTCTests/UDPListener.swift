import Testing

@testable import WebRTC

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A socket of this test that listens.
final class UDPListener: Sendable {
    let descriptor: SocketDescriptor
    let address: TransportAddress

    init() throws {
        let number = try #require(Self.openUDP())
        self.descriptor = SocketDescriptor(owning: number)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> UInt16? in
                guard bind(number, address, length) == 0, getsockname(number, address, &length) == 0 else {
                    return nil
                }
                return TransportAddress(address)?.port
            }
        }
        self.address = TransportAddress(ipv4: 0x7F00_0001, port: try #require(port))
    }

    static func openUDP() -> Int32? {
        #if canImport(Glibc)
        let number = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        #else
        let number = socket(AF_INET, SOCK_DGRAM, 0)
        #endif
        guard number >= 0 else { return nil }
        _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK)
        return number
    }

    /// Datagrams that have arrived since the last call: on the loopback they are there when the sender's call returns.
    func take() -> [[UInt8]] {
        var buffer = [UInt8](repeating: 0, count: 2048)
        var taken: [[UInt8]] = []
        while case let count = recv(self.descriptor.number, &buffer, buffer.count, 0), count > 0 {
            taken.append(Array(buffer[..<count]))
        }
        return taken
    }
}
