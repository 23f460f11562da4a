import NIOCore
import PeerTreeClient
import PeerTreeCore
import PeerTreeMedia

/// Turns the bytes of an input into messages: WebM is cut at its blocks, with its header retained and its key frames as
/// join points, so that a late viewer can start; everything else goes as it comes.
struct StreamFeeder {
    /// Under which key the header of a media stream is retained.
    static let headerKey: UInt16 = 0
    /// Every WebRTC stack takes messages of this size; a legacy viewer may take no larger ones.
    static let maximumPieceBytes = 65_536

    private var splitter: WebMSplitter?
    private var undecided = ByteBuffer()
    private var isDecided = false

    /// Takes bytes of the input; returns messages that are ready.
    mutating func feed(_ bytes: ByteBuffer) -> [(ByteBuffer, MessageOptions)] {
        guard isDecided else {
            undecided.writeImmutableBuffer(bytes)
            return decide(isComplete: false)
        }
        return cut(bytes)
    }

    /// The input is over; returns the rest.
    mutating func finish() -> [(ByteBuffer, MessageOptions)] {
        var messages = isDecided ? [] : decide(isComplete: true)
        splitter?.finish()
        messages += pieces()
        return messages
    }

    private mutating func decide(isComplete: Bool) -> [(ByteBuffer, MessageOptions)] {
        guard let guess = StreamSniffer.guess(undecided, isComplete: isComplete) else { return [] }
        isDecided = true
        if guess.isWebM { splitter = WebMSplitter(options: .init(maximumPieceBytes: Self.maximumPieceBytes)) }
        defer { undecided = ByteBuffer() }
        return undecided.readableBytes > 0 ? cut(undecided) : []
    }

    private mutating func cut(_ bytes: ByteBuffer) -> [(ByteBuffer, MessageOptions)] {
        guard splitter != nil else { return [(bytes, MessageOptions())] }
        splitter?.feed(bytes)
        return pieces()
    }

    private mutating func pieces() -> [(ByteBuffer, MessageOptions)] {
        var messages: [(ByteBuffer, MessageOptions)] = []
        while let piece = splitter?.nextPiece() {
            let key = piece.isHeader ? Self.headerKey : nil
            messages.append((piece.bytes, MessageOptions(isJoinPoint: piece.isJoinPoint, retainedKey: key)))
        }
        return messages
    }
}
