import NIOCore
import NIOSSL
import NIOTLS

/// The end of a connection's pipeline: tells the node what happens to it. Bytes of one turn go on together.
final class LinkConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let id: ConnectionID
    private let links: NodeLinks

    init(_ id: ConnectionID, of links: NodeLinks) {
        self.id = id
        self.links = links
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        links.assumeIsolated { [id] in $0.feed(.bytes(id, bytes)) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent { secured(context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func secured(_ context: ChannelHandlerContext) {
        let certificate = try? context.channel.pipeline.syncOperations.nioSSL_peerCertificate()
        guard let der = try? certificate?.toDERBytes() else { return context.close(promise: nil) }
        links.assumeIsolated { [id] in $0.secured(id, by: der) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        let isWritable = context.channel.isWritable
        if isWritable { links.assumeIsolated { [id] in $0.feed(.writable(id)) } }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A node that ends does not say goodbye; all else ends the connection, too.
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        links.assumeIsolated { [id] in $0.forget(id) }
        context.fireChannelInactive()
    }
}
