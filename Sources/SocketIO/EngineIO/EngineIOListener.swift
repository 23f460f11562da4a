package import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Accepts connections for an ``EngineIOServer`` and keeps track of them until they are closed.
package final class EngineIOListener: Sendable {
    private struct State {
        var listeners: [any Channel] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
        var perAddress = AddressCounter()
        /// Connections that are being told that there is no room.
        var refused = 0
        var isClosing = false
        var whenEmpty: EventLoopPromise<Void>?
    }

    package let engine: EngineIOServer
    private let eventLoopGroup: any EventLoopGroup
    private let state = Mutex(State())

    package init(engine: EngineIOServer, eventLoopGroup: any EventLoopGroup) {
        self.engine = engine
        self.eventLoopGroup = eventLoopGroup
    }

    package func listen(
        host: String,
        port: Int,
        fallback: (@Sendable (any Channel) -> EventLoopFuture<Void>)? = nil
    ) async throws -> SocketAddress {
        let bootstrap = ServerBootstrap(group: eventLoopGroup)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // A crowd arrives at once: many are let in per wake-up.
            .serverChannelOption(.maxMessagesPerRead, value: 64)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { self.configure($0, installsCodec: true, fallback: fallback) }
        let channel = try await bootstrap.bind(host: host, port: port).get()
        let isClosing = state.withLock { state in
            state.listeners.append(channel)
            return state.isClosing
        }
        guard !isClosing, let address = channel.localAddress else {
            channel.close(promise: nil)
            throw ChannelError.ioOnClosedChannel
        }
        return address
    }

    package func configure(
        _ channel: any Channel,
        installsCodec: Bool,
        fallback: (@Sendable (any Channel) -> EventLoopFuture<Void>)?
    ) -> EventLoopFuture<Void> {
        channel.eventLoop.submit {
            guard self.track(channel, tellsRefusal: installsCodec) else { return }
            // NIO keeps the largest receive buffer a connection ever needed: events are small and sockets many.
            try channel.syncOptions?.setOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 256, initial: 512, maximum: 4096)
            )
            let pipeline = channel.pipeline.syncOperations
            // Before TLS, which was there first.
            if self.isProxy(channel.remoteAddress) {
                try pipeline.addHandler(ProxyProtocolHandler(refusals: self.engine.refusals), position: .first)
            }
            if installsCodec { try self.installCodec(pipeline) }
            try pipeline.addHandler(SocketIOHTTPHandler(server: self.engine, fallback: fallback))
        }
    }

    /// Takes no new sessions, lets `tell` say good-bye to every application, gives polling clients time to fetch that,
    /// and closes whatever is left at the time-out.
    package func close(tell: @escaping @Sendable (any EngineIOApplication) -> Void) async {
        let eventLoop = eventLoopGroup.next()
        let (sessions, sessionsEnded) = engine.stopAdmitting(on: eventLoop)
        for connection in sessions { connection.onLoop { $0.tellApplication(tell) } }
        let cut = eventLoop.scheduleTask(in: engine.configuration.closeTimeout) {
            self.state.withLock { $0.isClosing = true }
            for channel in self.channels { channel.close(promise: nil) }
            for connection in self.engine.stopAdmitting(on: eventLoop).open { connection.onLoop { $0.cut() } }
        }
        try? await sessionsEnded.get()
        let (listeners, promise) = state.withLock { state in
            state.isClosing = true
            let promise = state.whenEmpty ?? eventLoop.makePromise(of: Void.self)
            state.whenEmpty = promise
            defer { state.listeners = [] }
            if state.connections.isEmpty { promise.succeed() }
            return (state.listeners, promise)
        }
        for listener in listeners { try? await listener.close() }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(EngineIOServerClosing()) }
        try? await promise.futureResult.get()
        cut.cancel()
    }

    private func isProxy(_ address: SocketAddress?) -> Bool {
        engine.configuration.trustedProxies.contains { $0.contains(address) }
    }

    private var channels: [any Channel] { state.withLock { Array($0.connections.values) } }

    private func installCodec(_ pipeline: ChannelPipeline.SynchronousOperations) throws {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderListSize = engine.configuration.maximumHeaderBytes
        limits.maxHeaderFieldSize = engine.configuration.maximumHeaderBytes
        let decoder = HTTPRequestDecoder(
            leftOverBytesStrategy: .forwardBytes,
            informationalResponseStrategy: .drop,
            limitConfiguration: limits
        )
        try pipeline.addHandlers([HTTPResponseEncoder(), ByteToMessageHandler(decoder)])
    }

    /// Counts a connection until it is closed; false if there are too many, which the client is then told.
    private func track(_ channel: any Channel, tellsRefusal: Bool) -> Bool {
        let key = ObjectIdentifier(channel)
        let configuration = engine.configuration
        // Many come through a proxy.
        let address = isProxy(channel.remoteAddress) ? nil : AddressKey(channel.remoteAddress)
        let refusal = state.withLock { state -> SocketIORefusal? in
            guard !state.isClosing, state.connections.count < configuration.maximumConnections else {
                return .tooManyConnections
            }
            guard state.perAddress.add(address, limit: configuration.maximumConnectionsPerAddress) else {
                return .tooManyConnectionsFromAddress
            }
            state.connections[key] = channel
            return nil
        }
        if let refusal {
            refuse(channel, refusal, isTold: tellsRefusal)
            return false
        }
        channel.closeFuture.whenComplete { _ in
            let promise = self.state.withLock { state in
                state.connections[key] = nil
                state.perAddress.remove(address)
                return state.connections.isEmpty ? state.whenEmpty : nil
            }
            promise?.succeed()
        }
        return true
    }

    /// Being polite costs a file for a moment: in a flood only some are told.
    private static let mostRefusedAtOnce = 500

    private func refuse(_ channel: any Channel, _ refusal: SocketIORefusal, isTold: Bool) {
        engine.refusals.count(refusal)
        let isTold = state.withLock { state in
            guard isTold, !state.isClosing, state.refused < Self.mostRefusedAtOnce else { return false }
            state.refused += 1
            return true
        }
        guard isTold, (try? channel.pipeline.syncOperations.addHandler(RefusedConnectionHandler())) != nil else {
            channel.close(promise: nil)
            return
        }
        channel.closeFuture.whenComplete { _ in self.state.withLock { $0.refused -= 1 } }
    }
}

/// Tells the handlers of a connection that the server closes.
struct EngineIOServerClosing: Sendable {}
