import NIOCore

/// Whom a connection is from, as a proxy has said by the PROXY protocol. Handlers are told so by this event, before
/// anything is read.
struct ProxiedConnection: Sendable {
    var source: SocketAddress
}

/// Takes the header of the PROXY protocol, version 2, off the front of a connection of a proxy that is believed
/// (haproxy's proxy-protocol.txt, section 2.2). A connection without one is passed on as it is.
///
/// It stands before TLS, and leaves once the first bytes have shown which it is.
final class ProxyProtocolHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let refusals: RefusalCounter
    private var received = ByteBuffer()

    init(refusals: RefusalCounter) {
        self.refusals = refusals
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        switch ProxyHeader.read(received) {
        case .incomplete:
            break
        case .absent:
            passOn(context: context)
        case .header(let source, let length):
            received.moveReaderIndex(forwardBy: length)
            if let source { context.fireUserInboundEventTriggered(ProxiedConnection(source: source)) }
            passOn(context: context)
        case .malformed:
            refusals.count(.malformedRequest)
            context.close(promise: nil)
        }
    }

    private func passOn(context: ChannelHandlerContext) {
        let rest = received
        received = ByteBuffer()
        if rest.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(rest)) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}

/// The header itself.
enum ProxyHeader {
    enum Outcome: Equatable {
        /// What came so far may be the beginning of one.
        case incomplete
        /// The connection begins otherwise.
        case absent
        /// A header of `length` bytes; nil where the proxy speaks for itself, such as to see whether the server is there,
        /// or for something that has no internet address.
        case header(source: SocketAddress?, length: Int)
        /// It begins as a header, and is none of version 2.
        case malformed
    }

    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    private static let fixedLength = 16

    /// Looks at the first bytes of a connection.
    static func read(_ buffer: ByteBuffer) -> Outcome {
        let start = buffer.readableBytesView.prefix(signature.count)
        guard start.elementsEqual(signature.prefix(start.count)) else { return .absent }
        var buffer = buffer
        guard buffer.readableBytes >= fixedLength, buffer.readBytes(length: signature.count) != nil,
            let command = buffer.readInteger(as: UInt8.self), let family = buffer.readInteger(as: UInt8.self),
            let length = buffer.readInteger(as: UInt16.self)
        else { return .incomplete }
        guard command == 0x20 || command == 0x21 else { return .malformed }
        guard let rest = buffer.readSlice(length: Int(length)) else { return .incomplete }
        let total = fixedLength + Int(length)
        guard command == 0x21 else { return .header(source: nil, length: total) }
        switch family {
        case 0x11: return source(rest, addressLength: 4, total: total)
        case 0x21: return source(rest, addressLength: 16, total: total)
        default: return .header(source: nil, length: total)
        }
    }

    /// Source and destination, then their ports, then whatever the proxy adds.
    private static func source(_ block: ByteBuffer, addressLength: Int, total: Int) -> Outcome {
        var block = block
        guard block.readableBytes >= 2 * addressLength + 4, let address = block.readSlice(length: addressLength),
            block.readSlice(length: addressLength) != nil, let port = block.readInteger(as: UInt16.self),
            let source = try? SocketAddress(packedIPAddress: address, port: Int(port))
        else { return .malformed }
        return .header(source: source, length: total)
    }
}
