import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Looks host names up with the system's resolver, on threads of its own, since that blocks.
enum HostResolver {
    /// Look-ups under way or waiting, in the whole process. Beyond it a look-up fails at once.
    private static let maximumPending = 64
    private static let pending = Atomic(0)

    private static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        return pool
    }()

    /// The addresses of a host, at most one of each IP version; none when the name leads nowhere. A literal address is
    /// its own answer.
    static func resolve(
        _ host: String,
        port: UInt16,
        on loop: any EventLoop
    ) -> EventLoopFuture<[TransportAddress]> {
        if let literal = TransportAddress(ip: host, port: port) { return loop.makeSucceededFuture([literal]) }
        guard Self.pending.wrappingAdd(1, ordering: .relaxed).newValue <= Self.maximumPending else {
            Self.pending.wrappingSubtract(1, ordering: .relaxed)
            return loop.makeSucceededFuture([])
        }
        return Self.threads.runIfActive(eventLoop: loop) { Self.lookUp(host, port) }
            .recover { _ in [] }
            .map { addresses in
                Self.pending.wrappingSubtract(1, ordering: .relaxed)
                return addresses
            }
    }

    private static func lookUp(_ host: String, _ port: UInt16) -> [TransportAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        #if canImport(Glibc)
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        #else
        hints.ai_socktype = SOCK_DGRAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [TransportAddress] = []
        var cursor = list
        while let entry = cursor {
            cursor = entry.pointee.ai_next
            guard let pointer = entry.pointee.ai_addr, let address = TransportAddress(pointer)?.with(port: port),
                address.isUnicast, !found.contains(where: { $0.family == address.family })
            else { continue }
            found.append(address)
        }
        return found
    }
}
