public import NIOCore
import StateMachine

/// What a recorder wants done.
public enum RecorderOutput: Sendable, Hashable {
    /// What follows belongs to a file of its own, the first or a further one.
    case part(Int)
    /// Write this to the part under way.
    case write(WebMMuxer.Output)
    /// Something that whoever records should know, in a sentence.
    case note(String)
}

/// Writes the messages of a media stream into WebM, whatever the stream does.
///
/// A catalog that a file cannot go on with, because a track came or has another codec, begins a further part: a file of
/// its own, or in a pipe a second document behind the first.
public struct WebMRecorder: Sendable {
    private let layout: WebMMuxer.Layout
    private let options: WebMMuxer.Options
    private let maximumParts: Int
    /// A hostile source must not fill a log.
    private var notes = 0
    private var muxer: WebMMuxer?
    private var parts = 0
    private var outputs = OutputQueue<RecorderOutput>()
    /// Tracks that the newest catalog names.
    private var known: Set<UInt8> = []

    /// The newest catalog; nil before the first.
    public private(set) var catalog: MediaCatalog?

    private static let maximumNotes = 16

    /// Makes a recorder at the beginning of a stream.
    ///
    /// - Parameters:
    ///   - layout: where the bytes go.
    ///   - options: the limits of each part.
    ///   - maximumParts: how many parts there are at most; what comes after the last is left out. Default: 100.
    public init(
        layout: WebMMuxer.Layout,
        options: WebMMuxer.Options = WebMMuxer.Options(),
        maximumParts: Int = 100
    ) {
        self.layout = layout
        self.maximumParts = maximumParts
        self.options = options
    }

    /// Takes a message of the stream. What is neither a catalog nor a frame is ignored.
    public mutating func handle(_ payload: ByteBuffer, isText: Bool, retainedKey: UInt16?) {
        if isText, retainedKey == MediaKey.catalog {
            describe(payload)
        } else if !isText, retainedKey == nil, let frame = MediaFrame(message: payload), known.contains(frame.track) {
            muxer?.add(frame)
            drain()
        }
    }

    /// The stream is over: completes the part under way.
    public mutating func finish() {
        muxer?.finish()
        drain()
        muxer = nil
    }

    /// What is to be done next; nil if nothing is at present.
    public mutating func nextOutput() -> RecorderOutput? {
        outputs.next()
    }

    private mutating func describe(_ text: ByteBuffer) {
        let catalog: MediaCatalog
        do {
            catalog = try MediaCatalog(parsing: text)
        } catch {
            note(error.description)
            return
        }
        self.catalog = catalog
        known = Set(catalog.tracks.map { $0.id })
        if muxer?.canContinue(with: catalog) == true {
            muxer?.adopt(catalog)
            return
        }
        finish()
        guard parts < maximumParts else {
            return note("The tracks changed more than \(maximumParts) times: nothing more is recorded.")
        }
        do {
            let next = try WebMMuxer(catalog, layout: layout, options: options)
            for sentence in next.unusable { note(sentence) }
            parts += 1
            outputs.append(.part(parts))
            muxer = next
        } catch {
            note(error.description)
        }
    }

    private mutating func note(_ sentence: String) {
        notes += 1
        if notes <= Self.maximumNotes { outputs.append(.note(sentence)) }
    }

    private mutating func drain() {
        while let output = muxer?.nextOutput() { outputs.append(.write(output)) }
    }
}
