import NIOCore

/// Tells a client that there is no room for its connection, whatever it asks for, and closes.
///
/// The client may be about to send a request: were its bytes left unread, the reset that follows would take the answer
/// away from it. So they are read and forgotten, for a moment.
final class RefusedConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// How long a client may take to read that it is refused.
    static let lingerTimeout = TimeAmount.milliseconds(500)

    private static let body = #"{"code":4,"message":"Too many connections"}"#
    private static let response =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        + "Retry-After: 30\r\nConnection: close\r\n\r\n\(body)"

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { refuse(context: context) }
    }

    func channelActive(context: ChannelHandlerContext) { refuse(context: context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    private func refuse(context: ChannelHandlerContext) {
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.response))).whenComplete { _ in
            channel.close(mode: .output, promise: nil)
        }
        context.eventLoop.scheduleTask(in: Self.lingerTimeout) { channel.close(promise: nil) }
    }
}
