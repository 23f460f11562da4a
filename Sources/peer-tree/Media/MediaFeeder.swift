import NIOCore
import PeerTreeMedia

/// Turns the bytes of a WebM input into the messages of a media stream.
struct MediaFeeder {
    private var demuxer: WebMDemuxer
    private var packetizer = MediaPacketizer()
    private let isLive: Bool
    private let isEndless: Bool
    /// A catalog that waits for its first frame, which tells the time.
    private var catalog: MediaCatalog?
    /// The clock at media timestamp 0, in microseconds.
    private var origin: Int64?
    /// Why the input is not media any more.
    private var failure: Failure?

    /// Goes on with a demuxer that has found the tracks.
    init(_ demuxer: WebMDemuxer, isLive: Bool, isEndless: Bool) {
        self.demuxer = demuxer
        self.isLive = isLive
        self.isEndless = isEndless
    }

    /// Takes the description that the demuxer has found, and what it has found since.
    mutating func begin(_ description: WebMDescription, at now: Int64) throws(Failure) -> [OutgoingMessage] {
        describe(description)
        return try takeEvents(at: now)
    }

    mutating func feed(_ bytes: ByteBuffer, at now: Int64) throws(Failure) -> [OutgoingMessage] {
        demuxer.feed(bytes)
        return try takeEvents(at: now)
    }

    mutating func finish(at now: Int64) throws(Failure) -> [OutgoingMessage] {
        demuxer.finish()
        return try takeEvents(at: now)
    }

    mutating func restart() {
        demuxer.restart()
    }

    /// Everything up to where the input is no longer media; the next call fails.
    private mutating func takeEvents(at now: Int64) throws(Failure) -> [OutgoingMessage] {
        try takeFailure()
        var messages: [OutgoingMessage] = []
        do throws(MediaFormatError) {
            while let event = try demuxer.nextEvent() {
                switch event {
                case .tracks(let description): describe(description)
                case .frame(let frame):
                    if let message = try catalogMessage(before: frame, at: now) { messages.append(message) }
                    messages.append(OutgoingMessage(packetizer.message(of: frame)))
                }
            }
        } catch {
            failure = Failure(status: .inputOutput, message: error.description)
            if messages.isEmpty { try takeFailure() }
        }
        return messages
    }

    private func takeFailure() throws(Failure) {
        if let failure { throw failure }
    }

    private mutating func describe(_ description: WebMDescription) {
        catalog = MediaCatalog(
            title: description.title,
            isLive: isLive,
            duration: isEndless ? nil : description.duration,
            tracks: description.tracks
        )
    }

    private mutating func catalogMessage(before frame: MediaFrame, at now: Int64) throws(MediaFormatError)
        -> OutgoingMessage?
    {
        guard var next = catalog else { return nil }
        catalog = nil
        origin = origin ?? now - frame.timestamp
        if isLive { next.origin = origin }
        return try packetizer.describe(next).map { OutgoingMessage($0) }
    }
}
