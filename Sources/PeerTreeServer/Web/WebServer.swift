import Hummingbird
import HummingbirdCore
public import Logging
public import NIOCore
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOPosix
public import ServiceLifecycle
public import SocketIO

/// A whole server on one port: signalling for peers, pages and health checks for people and machines.
///
/// Socket.IO's own handlers come first in every connection's pipeline; only a connection that asks for something else
/// gets Hummingbird's handlers and a task, so that thousands of signalling sockets pay nothing for the pages.
public struct PeerTreeWebServer: Service {
    /// How to listen.
    public struct Configuration: Sendable {
        /// The address to listen on. Default 127.0.0.1.
        public var host = "127.0.0.1"
        /// The port to listen on; 0 takes a free one. Default 3000.
        public var port = 3000
        /// How many connections may wait to be accepted; the system may allow fewer (on Linux `net.core.somaxconn`).
        /// Default 4,096.
        public var backlog = 4096
        /// The folder with the browser client. Default nil: beside the program, or `dist` above it or in the working
        /// directory, as `make web` builds it.
        public var webFolder: String?

        /// The defaults.
        public init() {}

        /// The certificate for HTTPS and secure WebSockets; nil serves plain HTTP. Its files are looked at every 5 s.
        public var tls: TLSCertificates?

        /// Who may look at the dashboard. Default nobody.
        public var dashboard = DashboardAccess.nobody

        /// How often the latest figures go to the metrics system. Default 10 s. `/metrics` shows those of the moment.
        public var metricsInterval = TimeAmount.seconds(10)

        /// What `/metrics` shows; nil and there is no such path. It must be the process's metrics system.
        public var metrics: PrometheusMetrics?
    }

    /// The Socket.IO server.
    public let io: SocketIOServer
    /// The peers' server on top of it.
    public let peers: PeerTreeServer
    private let configuration: Configuration
    private let logger: Logger
    private let onListening: @Sendable (SocketAddress) async -> Void
    private let onStopping: @Sendable () async -> Void

    /// Makes a server; ``run()`` starts it.
    ///
    /// - Parameters:
    ///   - io: the Socket.IO server to mount.
    ///   - peers: what serves the peers on it.
    ///   - configuration: address, port and limits.
    ///   - logger: where to log.
    ///   - onListening: called with the bound address once connections are accepted.
    ///   - onStopping: called once none are accepted any more, before those that are there are told and closed.
    public init(
        io: SocketIOServer,
        peers: PeerTreeServer,
        configuration: Configuration = Configuration(),
        logger: Logger = Logger(label: "peer-tree.server"),
        onListening: @escaping @Sendable (SocketAddress) async -> Void = { _ in },
        onStopping: @escaping @Sendable () async -> Void = {}
    ) {
        self.io = io
        self.peers = peers
        self.configuration = configuration
        self.logger = logger
        self.onListening = onListening
        self.onStopping = onStopping
    }

    /// Serves until the task is cancelled or a graceful shutdown is asked for.
    ///
    /// - Throws: ``ListenError`` if the address cannot be listened on.
    public func run() async throws {
        let assets = WebAssets(folder: configuration.webFolder)
        if assets.folder == nil { logger.info("the browser client is not served: no folder has it") }
        let pages = PageResponder(
            peers: peers,
            assets: assets,
            configuration: configuration,
            proxies: io.configuration.trustedProxies,
            logger: logger
        )
        let (io, tls) = (io, configuration.tls)
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: Int32(clamping: configuration.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // A crowd arrives at once: many are let in per wake-up.
            .serverChannelOption(.maxMessagesPerRead, value: 64)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                do {
                    try tls?.secure(channel)
                } catch {
                    return channel.eventLoop.makeFailedFuture(error)
                }
                return io.configure(channel) { channel in pages.serve(channel) }
            }
        let server: any Channel
        do {
            server = try await bootstrap.bind(host: configuration.host, port: configuration.port).get()
        } catch {
            throw ListenError(host: configuration.host, port: configuration.port, reason: "\(error)")
        }
        await peers.canBeReached()
        if let address = server.localAddress { await onListening(address) }
        let watcher = tls.map { self.watch($0, on: server.eventLoop) }
        defer { watcher?.cancel() }
        let recorder = recordMetrics(on: server.eventLoop)
        defer { recorder.cancel() }
        try? await withTaskCancellationOrGracefulShutdownHandler {
            try await server.closeFuture.get()
        } onCancelOrGracefulShutdown: {
            server.close(promise: nil)
        }
        await onStopping()
        await peers.sayGoodbye()
        await io.close(clientsReturn: true)
    }
}

extension PeerTreeWebServer {
    /// Most metrics systems collect what they were given last, and do not ask.
    private func recordMetrics(on eventLoop: any EventLoop) -> RepeatedTask {
        let (peers, interval) = (peers, configuration.metricsInterval)
        return eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            Task { await peers.recordMetrics() }
        }
    }

    /// Takes in certificates that were replaced.
    private func watch(_ tls: TLSCertificates, on eventLoop: any EventLoop) -> RepeatedTask {
        let logger = logger
        return eventLoop.scheduleRepeatedTask(initialDelay: .seconds(5), delay: .seconds(5)) { _ in
            do {
                if try tls.reloadIfChanged() { logger.notice("the certificate was read again") }
            } catch {
                logger.error("the certificate has changed and cannot be used", metadata: ["error": "\(error)"])
            }
        }
    }
}

/// An address that cannot be listened on.
public struct ListenError: Error, CustomStringConvertible {
    /// The address asked for.
    public var host: String
    /// The port asked for.
    public var port: Int
    /// What the system said.
    public var reason: String

    /// One sentence: which address, why, and what to do.
    public var description: String {
        let isInUse = reason.contains("Address already in use") || reason.contains("errno: 98")
        if isInUse { return "Port \(port) on \(host) is in use: stop what listens there, or choose another --port." }
        return "Cannot listen on \(host) port \(port): \(reason)"
    }
}
