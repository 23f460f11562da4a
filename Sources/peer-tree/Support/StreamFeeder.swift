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

    /// Where a late viewer can start with what is not WebM; nil for the beginning alone.
    private var joinPoints: JoinPoints?
    private var splitter: WebMSplitter?
    private var undecided = ByteBuffer()
    private var isDecided = false

    init(joinPoints: JoinPoints? = nil) {
        self.joinPoints = joinPoints
    }

    /// Takes bytes of the input; returns messages that are ready.
    ///
    /// - Parameter now: the clock, microseconds since 1970-01-01 UTC.
    mutating func feed(_ bytes: ByteBuffer, at now: Int64) -> [(ByteBuffer, MessageOptions)] {
        guard isDecided else {
            undecided.writeImmutableBuffer(bytes)
            return decide(isComplete: false, at: now)
        }
        return cut(bytes, at: now)
    }

    /// The input is over; returns the rest.
    mutating func finish(at now: Int64) -> [(ByteBuffer, MessageOptions)] {
        var messages = isDecided ? [] : decide(isComplete: true, at: now)
        splitter?.finish()
        messages += pieces()
        return messages
    }

    private mutating func decide(isComplete: Bool, at now: Int64) -> [(ByteBuffer, MessageOptions)] {
        guard let guess = StreamSniffer.guess(undecided, isComplete: isComplete) else { return [] }
        isDecided = true
        if guess.isWebM { splitter = WebMSplitter(options: .init(maximumPieceBytes: Self.maximumPieceBytes)) }
        defer { undecided = ByteBuffer() }
        return undecided.readableBytes > 0 ? cut(undecided, at: now) : []
    }

    private mutating func cut(_ bytes: ByteBuffer, at now: Int64) -> [(ByteBuffer, MessageOptions)] {
        guard splitter != nil else {
            return [(bytes, MessageOptions(isJoinPoint: joinPoints?.isDue(at: now) ?? false))]
        }
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

/// Marks a message of a stream of bytes now and then as one that viewers can begin with.
struct JoinPoints {
    /// At least so many microseconds are between two of them.
    let interval: Int64
    private var last: Int64?

    init(interval: Int64) {
        self.interval = interval
    }

    /// Whether the message that is written at `now`, in microseconds, is to be one.
    mutating func isDue(at now: Int64) -> Bool {
        if let last, now >= last, now - last < interval { return false }
        last = now
        return true
    }
}
