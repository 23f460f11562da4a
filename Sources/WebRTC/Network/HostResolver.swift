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
final class HostResolver: Sendable {
    /// For names that the application chose: STUN and TURN servers.
    static let ofServers = HostResolver()
    /// For names that peers chose. However many lead nowhere, slowly, servers are still found.
    static let ofPeers = HostResolver()

    typealias LookUp = @Sendable (_ host: String, _ port: UInt16) -> [TransportAddress]

    private let lookUp: LookUp
    private let maximumPending: Int
    private let pending = Atomic(0)
    private let threads: NIOThreadPool

    /// - Parameters:
    ///   - threads: how many look-ups run at a time. Default 2.
    ///   - maximumPending: look-ups under way or waiting. Beyond it a look-up fails at once. Default 64.
    ///   - lookUp: what blocks until it knows. Default `getaddrinfo`.
    init(threads: Int = 2, maximumPending: Int = 64, lookUp: @escaping LookUp = HostResolver.system) {
        self.lookUp = lookUp
        self.maximumPending = maximumPending
        self.threads = NIOThreadPool(numberOfThreads: threads)
        self.threads.start()
    }

    deinit {
        self.threads.shutdownGracefully { _ in }
    }

    /// The addresses of a host, at most one of each IP version; none when the name leads nowhere. A literal address is
    /// its own answer.
    func resolve(
        _ host: String,
        port: UInt16,
        on loop: any EventLoop
    ) -> EventLoopFuture<[TransportAddress]> {
        if let literal = TransportAddress(ip: host, port: port) { return loop.makeSucceededFuture([literal]) }
        guard self.pending.wrappingAdd(1, ordering: .relaxed).newValue <= self.maximumPending else {
            self.pending.wrappingSubtract(1, ordering: .relaxed)
            return loop.makeSucceededFuture([])
        }
        return self.threads.runIfActive(eventLoop: loop) { self.lookUp(host, port) }
            .recover { _ in [] }
            .map { addresses in
                self.pending.wrappingSubtract(1, ordering: .relaxed)
                return addresses
            }
    }

    /// Asks the system.
    static let system: LookUp = { host, port in
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
