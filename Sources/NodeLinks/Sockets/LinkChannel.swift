import NIOCore

/// The socket of a connection, and what is to be written to it at the end of the turn. Used on its event loop only.
final class LinkChannel {
    let channel: any Channel
    var waiting: ByteBuffer
    var isWaiting = false

    init(_ channel: any Channel) {
        self.channel = channel
        waiting = channel.allocator.buffer(capacity: 1_024)
    }

    var isWritable: Bool { channel.isWritable }

    func flush() {
        isWaiting = false
        guard waiting.readableBytes > 0 else { return }
        // Writing may tell at once that there is room for more, which is then written to the next buffer.
        let turn = waiting
        waiting = channel.allocator.buffer(capacity: min(turn.readableBytes, 64 << 10))
        channel.writeAndFlush(turn, promise: nil)
    }

    func read(_ reads: Bool) {
        channel.setOption(.autoRead, value: reads).whenComplete { _ in }
    }

    func close() { channel.close(promise: nil) }
}
