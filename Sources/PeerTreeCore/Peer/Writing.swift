/// What is cut into chunks here: the messages of the application, or those of a plain parent, which have no numbers.
struct Writing<Buffer: FrameBuffer> {
    var chunker: Chunker<Buffer>
    /// Signs what the application writes; nil in an unsigned tree.
    var signer: BlockSigner<Buffer>?
    /// What the source says of the stream as a whole; nothing in an unsigned tree.
    var announcements = Announcements()
    /// The application waits for ``PeerOutput/writable``.
    var isBlocked = false
    /// The application has ended the stream.
    var isFinished = false

    /// - Parameters:
    ///   - isCoded: whether messages are cut into rows with parity.
    ///   - signedStream: which stream is written, if it is signed.
    init(stripes: UInt8, isCoded: Bool, signedStream: SignedStreamID?) {
        chunker = Chunker(stripes: stripes, isBare: signedStream != nil, isCoded: isCoded)
        signer = signedStream.map { BlockSigner(streamID: $0) }
    }

    /// One past the newest number that was given.
    var end: UInt64 { chunker.nextSequence }
}
