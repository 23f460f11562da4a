/// What is cut into chunks here: the messages of the application, or those of a plain parent, which have no numbers.
struct Writing<Buffer: FrameBuffer> {
    var chunker: Chunker<Buffer>
    /// The application waits for ``PeerOutput/writable``.
    var isBlocked = false

    init(stripes: UInt8) {
        chunker = Chunker(stripes: stripes)
    }
}
