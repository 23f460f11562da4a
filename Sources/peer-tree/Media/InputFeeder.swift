import NIOCore
import PeerTreeClient
import PeerTreeCore
import PeerTreeMedia

/// A message to be written to the stream.
struct OutgoingMessage {
    var payload: ByteBuffer
    var options: MessageOptions
    /// When its frame is to be presented, in microseconds; nil if it is none.
    var timestamp: Int64?
}

/// Turns the bytes of an input into messages, by what they are: media becomes frames, everything else travels as bytes
/// with a description before them.
struct InputFeeder {
    /// What is known of an input beside its bytes.
    struct Options {
        /// Send the bytes as they are, without a description.
        var isRaw = false
        /// Where newcomers may begin with bytes that say it nowhere themselves; nil and they begin at the beginning.
        var joinPoints: JoinPoints?
        /// Whether media is sent as it is captured.
        var isLive = false
        /// Whether the input will begin anew: then media has no length.
        var isEndless = false
        /// A file's name and size.
        var name: String?
        var size: Int?
        /// How a user names the input, for sentences.
        var input = "-"
    }

    private enum Mode {
        case undecided
        /// Looking for the tracks of what says that it is WebM.
        case probing(WebMDemuxer)
        case media(MediaFeeder)
        case bytes(StreamFeeder)
    }

    private let options: Options
    private var mode = Mode.undecided
    /// What was fed before it was decided what it is.
    private var undecided = ByteBuffer()
    /// Sentences for the user, to be taken.
    private var notes: [String] = []

    init(_ options: Options) {
        self.options = options
        if options.isRaw { mode = .bytes(StreamFeeder(joinPoints: options.joinPoints)) }
    }

    /// Whether the input is media that travels as frames.
    var isMedia: Bool {
        if case .media = mode { true } else { false }
    }

    /// Whether it is known what the input is.
    var isDecided: Bool {
        switch mode {
        case .undecided, .probing: false
        case .media, .bytes: true
        }
    }

    /// Sentences for the user that came up since the last call.
    mutating func takeNotes() -> [String] {
        defer { notes = [] }
        return notes
    }

    /// Takes bytes of the input; returns messages that are ready.
    ///
    /// - Parameter now: the clock, microseconds since 1970-01-01 UTC.
    /// - Throws: ``Failure`` for what cannot be broadcast like this, or is no longer media.
    mutating func feed(_ bytes: ByteBuffer, at now: Int64) throws(Failure) -> [OutgoingMessage] {
        switch mode {
        case .bytes(var feeder):
            defer { mode = .bytes(feeder) }
            return feeder.feed(bytes, at: now).map { OutgoingMessage($0) }
        case .media(var feeder):
            defer { mode = .media(feeder) }
            return try feeder.feed(bytes, at: now)
        case .undecided, .probing:
            undecided.writeImmutableBuffer(bytes)
            return try decide(bytes, isComplete: false, at: now)
        }
    }

    /// The input is over; returns the rest.
    mutating func finish(at now: Int64) throws(Failure) -> [OutgoingMessage] {
        var messages: [OutgoingMessage] = []
        if !isDecided { messages += try decide(ByteBuffer(), isComplete: true, at: now) }
        switch mode {
        case .bytes(var feeder): messages += feeder.finish(at: now).map { OutgoingMessage($0) }
        case .media(var feeder): messages += try feeder.finish(at: now)
        case .undecided, .probing: break
        }
        return messages
    }

    /// The input begins anew.
    mutating func restart() {
        guard case .media(var feeder) = mode else { return }
        feeder.restart()
        mode = .media(feeder)
    }

    // MARK: Deciding

    private mutating func decide(_ bytes: ByteBuffer, isComplete: Bool, at now: Int64) throws(Failure)
        -> [OutgoingMessage]
    {
        var demuxer: WebMDemuxer
        if case .probing(let under) = mode {
            demuxer = under
            demuxer.feed(bytes)
        } else {
            guard let guess = StreamSniffer.guess(undecided, isComplete: isComplete) else { return [] }
            if guess.contentType == "video/mp4" { throw Self.refusal(of: options.input) }
            guard guess.isWebM else { return becomeBytes(type: guess.contentType, at: now) }
            demuxer = WebMDemuxer()
            demuxer.feed(undecided)
        }
        if isComplete { demuxer.finish() }
        let event: WebMEvent?
        do throws(MediaFormatError) {
            event = try demuxer.nextEvent()
        } catch {
            // WebM by its first bytes only.
            return becomeBytes(at: now)
        }
        guard case .tracks(let description)? = event else {
            mode = .probing(demuxer)
            return isComplete ? becomeBytes(at: now) : []
        }
        return try become(description, demuxer, at: now)
    }

    private mutating func become(_ description: WebMDescription, _ demuxer: WebMDemuxer, at now: Int64)
        throws(Failure) -> [OutgoingMessage]
    {
        let hasVideo = description.tracks.contains { $0.isVideo }
        guard !description.tracks.isEmpty, hasVideo || !description.hasUnusableVideo else {
            let reasons = description.unusable.joined(separator: "; ")
            notes.append("The input is sent as a file, not as media\(reasons.isEmpty ? "" : ": \(reasons)").")
            return becomeBytes(at: now)
        }
        for reason in description.unusable { notes.append("Left out: \(reason).") }
        var feeder = MediaFeeder(demuxer, isLive: options.isLive, isEndless: options.isEndless)
        undecided = ByteBuffer()
        let messages = try feeder.begin(description, at: now)
        mode = .media(feeder)
        return messages
    }

    private mutating func becomeBytes(type: String? = nil, at now: Int64) -> [OutgoingMessage] {
        var feeder = StreamFeeder()
        let type = type ?? StreamSniffer.guess(undecided, isComplete: true)?.contentType
        let content = ContentDescription(name: options.name, type: type, size: options.size)
        let described = OutgoingMessage(
            payload: content.encoded(),
            options: MessageOptions(isText: true, retainedKey: MediaKey.content)
        )
        let messages = feeder.feed(undecided, at: now).map { OutgoingMessage($0) }
        undecided = ByteBuffer()
        mode = .bytes(feeder)
        return [described] + messages
    }

    private static func refusal(of input: String) -> Failure {
        let name =
            input == "-"
            ? "INPUT.mp4"
            : input.split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: #"'\''"#)
        return Failure(
            status: .noInput,
            message: """
                MP4 does not play in viewers. Put the same frames into Matroska: \
                ffmpeg -i '\(name)' -c copy -f matroska - | peer-tree broadcast -, or send it as a file with --raw.
                """
        )
    }
}

extension OutgoingMessage {
    /// A piece of a stream of bytes.
    init(_ piece: (ByteBuffer, MessageOptions)) {
        self.init(payload: piece.0, options: piece.1)
    }

    /// A catalog or a frame.
    init(_ message: MediaMessage) {
        self.init(
            payload: message.payload,
            options: MessageOptions(
                isText: message.isText,
                isJoinPoint: message.isJoinPoint,
                retainedKey: message.retainedKey
            ),
            timestamp: message.timestamp
        )
    }
}
