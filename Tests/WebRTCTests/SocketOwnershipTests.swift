import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import WebRTC

/// A descriptor is a number that the system gives to the next one who asks.
@Suite("Ownership of sockets", .timeLimit(.minutes(5)))
struct SocketOwnershipTests {
    private static func datagram(_ socket: UDPSocket, to address: TransportAddress) {
        [UInt8](repeating: 7, count: 100).withUnsafeBytes { socket.append($0, to: address) }
    }

    @Test("What is left to be sent when a socket is closed does not leave by the socket that gets its number")
    func numberIsReused() async throws {
        let listener = try UDPListener()
        let loop = WebRTCEventLoop.loop
        let core = try await loop.submit {
            NIOLoopBound(try TransportCore(.loopback(), eventLoop: loop), eventLoop: loop)
        }.get()
        try await loop.flatSubmit { core.value.register() }.get()
        // A batch waits, as after a full buffer of the kernel, when the channel ends: by itself, as after an error.
        try await loop.flatSubmit { () -> EventLoopFuture<Void> in
            Self.datagram(core.value.sockets[0], to: listener.address)
            return core.value.sockets[0].endReading()
        }.get()
        // What left while the socket was still its own is no matter.
        _ = listener.take()
        // Another thread opens sockets: they get the lowest free numbers, those of the closed one among them.
        let others = Mutex<[SocketDescriptor]>([])
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        try await thread.runIfActive(eventLoop: loop) {
            others.withLock { others in
                for _ in 0..<64 {
                    if let number = UDPListener.openUDP() { others.append(SocketDescriptor(owning: number)) }
                }
            }
        }.get()
        try await loop.submit {
            core.value.sockets[0].flush()
            Self.datagram(core.value.sockets[0], to: listener.address)
            core.value.sockets[0].flush()
        }.get()
        #expect(listener.take().isEmpty)
        try await loop.submit { core.value.close() }.get()
        try await thread.shutdownGracefully()
    }

    @Test("A transport that cannot be made leaves no socket open")
    func failedBind() async throws {
        var configuration = WebRTCConfiguration.loopback()
        configuration.port = 0
        configuration.iceServers = [ICEServer(urls: ["stun:"])]
        let refused = configuration
        let before = try Self.lowestFreeNumber()
        for _ in 0..<500 {
            await #expect(throws: WebRTCError.self) { _ = try await WebRTCTransport.bind(refused) }
        }
        // Other tests open sockets meanwhile, but not as many as nobody would have closed here.
        #expect(try Self.lowestFreeNumber() < before + 250)
    }

    private static func lowestFreeNumber() throws -> Int32 {
        let number = try #require(UDPListener.openUDP())
        return SocketDescriptor(owning: number).number
    }
}
