import NIOCore
import NIOPosix

/// The TCP or TLS connection to a TURN server. What does not fit into its queue is dropped, as on any path of datagrams.
final class TURNStream {
    private let eventLoop: any EventLoop
    private let queueLimit: Int
    private let tls: TLSClientSession?
    private let onFrame: (TURNStreamFramer.Frame) -> Void
    private let onEnd: (String) -> Void
    private var framer = TURNStreamFramer()
    private var channel: (any Channel)?
    private var isOver = false
    /// Written in this tick, not yet handed to the channel.
    private var isFlushPending = false

    init(
        eventLoop: any EventLoop,
        tls: TLSClientSession?,
        queueLimit: Int,
        onFrame: @escaping (TURNStreamFramer.Frame) -> Void,
        onEnd: @escaping (String) -> Void
    ) {
        self.eventLoop = eventLoop
        self.tls = tls
        self.queueLimit = queueLimit
        self.onFrame = onFrame
        self.onEnd = onEnd
    }

    /// Connects; the future says when bytes can be written.
    func connect(to address: TransportAddress, timeout: TimeAmount) -> EventLoopFuture<Void> {
        let loop = self.eventLoop
        let bound = NIOLoopBound(self, eventLoop: loop)
        let watermark = ChannelOptions.Types.WriteBufferWaterMark(low: self.queueLimit / 2, high: self.queueLimit)
        return loop.makeCompletedFuture { try SocketAddress(ipAddress: address.ip, port: Int(address.port)) }
            .flatMap { target in
                ClientBootstrap(group: loop)
                    .connectTimeout(timeout)
                    .channelOption(.socketOption(.tcp_nodelay), value: 1)
                    .channelOption(.writeBufferWaterMark, value: watermark)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(TURNStreamHandler(stream: bound.value))
                        }
                    }
                    .connect(to: target)
            }
            .map { channel -> Void in
                let stream = bound.value
                guard !stream.isOver else { return channel.close(promise: nil) }
                stream.channel = channel
                stream.begin()
            }
    }

    func close() {
        self.isOver = true
        self.channel?.close(promise: nil)
        self.channel = nil
    }

    /// Sends a STUN message or framed channel data. False when it was dropped.
    func write(_ bytes: [UInt8]) -> Bool {
        guard let channel, channel.isWritable, !self.isOver else { return false }
        guard let tls else {
            self.hand(bytes, to: channel)
            return true
        }
        do throws(DTLSError) {
            try tls.write(bytes)
            self.hand(tls.takeOutput(), to: channel)
            return true
        } catch {
            self.end(error.description)
            return false
        }
    }

    private func begin() {
        guard let tls, let channel else { return }
        do throws(DTLSError) {
            try tls.start()
            self.hand(tls.takeOutput(), to: channel)
        } catch {
            self.end(error.description)
        }
    }

    private func hand(_ bytes: [UInt8], to channel: any Channel) {
        guard !bytes.isEmpty else { return }
        channel.write(ByteBuffer(bytes: bytes), promise: nil)
        guard !self.isFlushPending else { return }
        // One system call for all datagrams of a tick.
        self.isFlushPending = true
        self.eventLoop.assumeIsolated().execute {
            self.isFlushPending = false
            self.channel?.flush()
        }
    }

    fileprivate func receive(_ buffer: ByteBuffer) {
        guard !self.isOver else { return }
        if let tls, let channel {
            do throws(DTLSError) {
                self.framer.append(try tls.receive(Array(buffer.readableBytesView)))
                self.hand(tls.takeOutput(), to: channel)
            } catch {
                return self.end(error.description)
            }
        } else {
            self.framer.append(buffer.readableBytesView)
        }
        do throws(TURNStreamFramer.Malformed) {
            while !self.isOver, let frame = try self.framer.next() { self.onFrame(frame) }
        } catch {
            self.end("the server sends something else than TURN")
        }
    }

    fileprivate func end(_ reason: String) {
        guard !self.isOver else { return }
        self.close()
        self.onEnd(reason)
    }
}

private final class TURNStreamHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let stream: TURNStream

    init(stream: TURNStream) {
        self.stream = stream
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.stream.receive(self.unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.stream.end("the server closed the connection")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.stream.end("\(error)")
    }
}
