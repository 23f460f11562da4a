import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The UDP socket of one IP version, shared by all connections of a transport.
///
/// Reading is SwiftNIO's (vector reads with GRO). Writing is done here, straight on the file descriptor, for two
/// reasons: SwiftNIO closes a datagram channel when a single send fails with, say, "network unreachable", so one bad
/// remote candidate would end every connection; and datagrams of a tick are laid out in one slab and leave with one
/// `sendmmsg`, runs of equal size as one GSO send, without an allocation per datagram.
///
/// Reader and writer each own a descriptor of the same socket, so neither can close the other's under its hands.
final class UDPSocket {
    let family: TransportAddress.Family
    let localAddress: TransportAddress
    private let eventLoop: any EventLoop
    /// Nil once closed: nothing can be sent then.
    private var descriptor: SocketDescriptor?
    private var channel: (any Channel)?
    private var batch = DatagramBatch()
    private var usesSegmentation: Bool
    private var retry: Scheduled<Void>?
    private(set) var counters = Counters()

    struct Counters {
        var sentDatagrams: UInt64 = 0
        var sentBytes: UInt64 = 0
        var largestDatagram = 0
        var sendCalls: UInt64 = 0
        var unsentDatagrams: UInt64 = 0
    }

    /// Opens and binds. Nil port means any.
    init(binding address: TransportAddress, receiveBufferSize: Int, eventLoop: any EventLoop) throws(WebRTCError) {
        let domain = address.family == .ipv4 ? AF_INET : AF_INET6
        #if canImport(Glibc)
        let type = Int32(SOCK_DGRAM.rawValue)
        #else
        let type = SOCK_DGRAM
        #endif
        let descriptor = socket(domain, type, 0)
        guard descriptor >= 0 else { throw .bindFailed(address: address.description, reason: Self.errorText()) }
        let owner = SocketDescriptor(owning: descriptor)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        if address.family == .ipv6 { Self.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        Self.growReceiveBuffer(descriptor, to: Int32(clamping: receiveBufferSize))
        Self.set(descriptor, SOL_SOCKET, SO_SNDBUF, 1 << 20)
        var storage = sockaddr_storage()
        let length = address.write(to: &storage)
        let bound = withUnsafePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard bound == 0 else { throw .bindFailed(address: address.description, reason: Self.errorText()) }
        self.eventLoop = eventLoop
        self.descriptor = owner
        self.family = address.family
        self.localAddress = Self.boundAddress(of: descriptor) ?? address
        self.usesSegmentation = System.supportsUDPSegmentationOffload
    }

    /// Has SwiftNIO read from the socket.
    func register(
        on loop: any EventLoop,
        handler: @escaping @Sendable () -> any ChannelInboundHandler & Sendable
    ) -> EventLoopFuture<any Channel> {
        guard let copy = self.descriptor?.duplicate() else {
            let error = WebRTCError.bindFailed(address: self.localAddress.description, reason: Self.errorText())
            return loop.makeFailedFuture(error)
        }
        return DatagramBootstrap(group: loop)
            .channelOption(.datagramVectorReadMessageCount, value: Self.readsPerCall)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: Self.readsPerCall << 16))
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { $0.pipeline.addHandler(handler()) }
            .withBoundSocket(copy)
            .flatMap { channel in
                guard System.supportsUDPReceiveOffload else { return channel.eventLoop.makeSucceededFuture(channel) }
                return channel.setOption(.datagramReceiveOffload, value: true)
                    .flatMap { channel.setOption(.datagramReceiveSegmentSize, value: true) }
                    .recover { _ in }
                    .map { channel }
            }
    }

    func attach(_ channel: any Channel) {
        self.channel = channel
    }

    /// Ends the reading alone, as an error of the socket does.
    func endReading() -> EventLoopFuture<Void> {
        self.channel?.close() ?? self.eventLoop.makeSucceededVoidFuture()
    }

    /// Sends what the kernel takes at once, and nothing after that. Idempotent.
    func close() {
        self.flush()
        self.retry?.cancel()
        self.retry = nil
        self.descriptor = nil
        self.channel?.close(promise: nil)
        self.channel = nil
    }

    // MARK: - Sending

    /// Adds a datagram to the current batch. It leaves with `flush`.
    func append(
        _ datagram: UnsafeRawBufferPointer,
        behind header: UnsafeRawBufferPointer = .init(start: nil, count: 0),
        padding: Int = 0,
        to destination: TransportAddress
    ) {
        guard self.descriptor != nil else { return }
        let size = header.count + datagram.count + padding
        self.counters.largestDatagram = max(self.counters.largestDatagram, size)
        if !self.batch.append(datagram, behind: header, padding: padding, to: destination) {
            self.flush()
            if !self.batch.append(datagram, behind: header, padding: padding, to: destination) {
                self.counters.unsentDatagrams += 1
            }
        }
    }

    /// Sends the batch. What the kernel's buffer has no room for stays and is tried again after a millisecond.
    func flush() {
        guard let descriptor, !self.batch.isEmpty else { return }
        while let result = self.batch.send(on: descriptor.number, segmented: self.usesSegmentation) {
            self.counters.sendCalls += 1
            switch result {
            case .sent(let datagrams, let bytes):
                self.counters.sentDatagrams += UInt64(datagrams)
                self.counters.sentBytes += UInt64(bytes)
            case .wouldBlock:
                return self.scheduleRetry()
            case .segmentationRefused:
                // An interface without checksum offload, or an old kernel: plain datagrams from now on.
                self.usesSegmentation = false
            case .failed(let datagrams):
                self.counters.unsentDatagrams += UInt64(datagrams)
            }
        }
    }

    private func scheduleRetry() {
        guard self.retry == nil else { return }
        self.retry = self.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(1)) {
            self.retry = nil
            self.flush()
        }
    }

    // MARK: - Options

    /// Datagrams, each up to 64 KiB thanks to GRO, that one system call reads.
    private static let readsPerCall = 4

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func growReceiveBuffer(_ descriptor: Int32, to size: Int32) {
        #if os(Linux)
        // Beyond the system's limit where the process may (CAP_NET_ADMIN).
        Self.set(descriptor, SOL_SOCKET, SO_RCVBUF, size)
        Self.set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, size)
        #else
        Self.set(descriptor, SOL_SOCKET, SO_RCVBUF, size)
        #endif
    }

    private static func boundAddress(of descriptor: Int32) -> TransportAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                getsockname(descriptor, address, &length) == 0 ? TransportAddress(address) : nil
            }
        }
    }

    private static func errorText() -> String { String(cString: strerror(errno)) }
}
