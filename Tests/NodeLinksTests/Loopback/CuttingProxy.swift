import NIOCore
import NIOPosix

/// Stands between two nodes, on loopback, and ends all connections when it is told to.
actor CuttingProxy {
    private nonisolated let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }
    private let target: Int
    private var open: [any Channel] = []
    private var server: (any Channel)?

    init(to target: Int) { self.target = target }

    /// - Returns: the port.
    func listen() async throws -> Int {
        let channel = try await ServerBootstrap(group: eventLoop)
            .childChannelInitializer { inbound in
                let eventLoop = inbound.eventLoop
                return ClientBootstrap(group: eventLoop)
                    .connect(host: "127.0.0.1", port: self.target)
                    .flatMapThrowing { outbound in
                        try inbound.pipeline.syncOperations.addHandler(Forward(to: outbound))
                        try outbound.pipeline.syncOperations.addHandler(Forward(to: inbound))
                        self.assumeIsolated { $0.open += [inbound, outbound] }
                    }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server = channel
        return channel.localAddress?.port ?? 0
    }

    func cut() {
        for channel in open { channel.close(promise: nil) }
        open = []
    }

    func close() async throws {
        cut()
        try await server?.close()
    }

    private final class Forward: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel

        init(to other: any Channel) { self.other = other }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
    }
}
