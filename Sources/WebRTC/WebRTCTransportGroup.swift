import NIOCore
import Synchronization

/// Transports on event loops of their own, for a process with more connections than one processor can serve.
///
/// Every transport has its own UDP ports. Connections are spread over them by turns; which one a connection is on, the
/// peer does not notice.
///
/// ```swift
/// let group = try await WebRTCTransportGroup.bind()
/// let connection = try await group.makeAsyncPeerConnection()
/// ```
public final class WebRTCTransportGroup: Sendable {
    /// At least one.
    public let transports: [WebRTCTransport]
    private let turns = Atomic(0)

    private init(_ transports: [WebRTCTransport]) {
        self.transports = transports
    }

    /// Opens the sockets of all transports.
    ///
    /// - Parameters:
    ///   - configuration: of each transport. A `port` other than 0 is that of the first; the others take those that follow.
    ///   - count: how many transports, at least 1; nil means as many as there are event loops, one for each processor.
    /// - Throws: `WebRTCError` when an address cannot be bound.
    public static func bind(
        _ configuration: WebRTCConfiguration = .init(),
        count: Int? = nil
    ) async throws -> WebRTCTransportGroup {
        var transports: [WebRTCTransport] = []
        for index in 0..<max(1, count ?? WebRTCEventLoop.all.count) {
            var own = configuration
            if configuration.port != 0 { own.port += index }
            let eventLoop = WebRTCEventLoop.all[index % WebRTCEventLoop.all.count]
            do {
                transports.append(try await WebRTCTransport.bind(own, eventLoop: eventLoop))
            } catch {
                for transport in transports { transport.close() }
                throw error
            }
        }
        return WebRTCTransportGroup(transports)
    }

    /// The transport whose turn it is.
    public func next() -> WebRTCTransport {
        let turn = self.turns.wrappingAdd(1, ordering: .relaxed).oldValue
        return self.transports[Int(UInt(bitPattern: turn) % UInt(self.transports.count))]
    }

    /// Makes a connection on the transport whose turn it is.
    ///
    /// - Throws: what `WebRTCTransport.makeAsyncPeerConnection` throws.
    public func makeAsyncPeerConnection() async throws(WebRTCError) -> AsyncPeerConnection {
        try await self.next().makeAsyncPeerConnection()
    }

    /// Closes all connections and sockets. Idempotent.
    public func close() {
        for transport in self.transports { transport.close() }
    }
}
