public import NIOCore
import StateMachine

/// Writes frames into a WebM file or stream; Matroska, if a codec is not WebM's.
///
/// Give it frames with ``add(_:)`` as they come and write what ``nextOutput()`` returns until it is nil; at the end
/// call ``finish()`` and write the rest. What was written up to any moment plays: in a seekable file the sizes, the
/// duration and the index are filled in at the end.
///
/// Where viewers come late the file begins at a key frame, at time 0; what is older than that frame is left out. A
/// stream that is there from its first frame keeps its times. After a cut, frames of a video track up to its next key
/// frame are left out. Clusters begin at key frames, and otherwise after ``Options/maximumClusterDuration``.
public struct WebMMuxer: Sendable {
    /// Where the bytes go.
    public enum Layout: Sendable {
        /// A pipe: nothing can be changed afterwards.
        case streaming
        /// A file, where sizes, duration and index are filled in at the end.
        case seekable
    }

    /// Limits of a muxer.
    public struct Options: Sendable, Hashable {
        /// How long a cluster is at most, in microseconds; at most 32 seconds. Default: 5 seconds.
        public var maximumClusterDuration: Int64
        /// For how much media the beginning waits for tracks that are still silent, in microseconds. Default: 1 second.
        public var maximumWait: Int64
        /// How many bytes of frames wait at the beginning at most. Default: 32 MiB.
        public var maximumHeldBytes: Int
        /// How many places the index lists; above, every second one is dropped. Default: 16,384.
        public var maximumCues: Int

        /// Makes options.
        public init(
            maximumClusterDuration: Int64 = 5_000_000,
            maximumWait: Int64 = 1_000_000,
            maximumHeldBytes: Int = 32 << 20,
            maximumCues: Int = 16_384
        ) {
            self.maximumClusterDuration = min(32_000_000, max(1000, maximumClusterDuration))
            self.maximumWait = maximumWait
            self.maximumHeldBytes = maximumHeldBytes
            self.maximumCues = max(2, maximumCues)
        }
    }

    /// What is to be written.
    public enum Output: Sendable, Hashable {
        /// At the end.
        case append(ByteBuffer)
        /// In place of what is at an offset from the beginning.
        case overwrite(offset: Int, ByteBuffer)
    }

    /// Timestamps beyond are nonsense: 285 years in microseconds.
    static let maximumTimestamp: UInt64 = 9_000_000_000_000_000

    let layout: Layout
    let options: Options
    let title: String?
    let isLive: Bool
    var tracks: [WebMTrackWriter] = []
    /// The tracks that no file can have, one sentence each.
    public private(set) var unusable: [String] = []
    /// The track that decides where to begin and where clusters do.
    let primary: UInt8

    /// Frames that wait for the beginning.
    private var held: [MediaFrame] = []
    private var heldBytes = 0
    private var heldTracks: Set<UInt8> = []
    private var heldTimes: ClosedRange<Int64>?
    /// The media time that is 0 in the file; nil before the beginning.
    private(set) var origin: Int64?
    private var isFinished = false

    var outputs = OutputQueue<Output>()
    /// How many bytes were appended.
    var written = 0
    var places = Places()
    var cluster: Cluster?
    var cues: [Cue] = []
    /// Where the last frame ends, in microseconds.
    var end: Int64 = 0

    /// Offsets of what is filled in at the end.
    struct Places {
        /// Of the size of the segment.
        var segmentSize = 0
        /// Of the first byte of the segment's payload.
        var segment = 0
        var seekHead = 0
        var info = 0
        var tracks = 0
        var duration = 0
    }

    struct Cluster {
        /// In milliseconds.
        var timestamp: Int64
        /// The offset of its size.
        var size: Int
    }

    struct Cue {
        /// In milliseconds.
        var time: Int64
        /// Of the cluster, from the first byte of the segment's payload.
        var position: Int
    }

    /// Makes a muxer for the tracks of a catalog.
    ///
    /// - Throws: ``MediaFormatError`` if a file can have none of them.
    public init(_ catalog: MediaCatalog, layout: Layout, options: Options = Options()) throws(MediaFormatError) {
        self.layout = layout
        self.options = options
        title = catalog.title
        isLive = catalog.isLive
        for track in catalog.tracks {
            do throws(MediaFormatError) {
                tracks.append(try WebMTrackWriter(track))
            } catch {
                unusable.append(error.description)
            }
        }
        guard let first = tracks.first(where: { $0.media.isVideo }) ?? tracks.first else {
            throw MediaFormatError(unusable.first ?? "The media catalog has no track of video or audio.")
        }
        primary = first.media.id
    }

    /// Takes the next frame. Frames of tracks that the file does not have are left out.
    public mutating func add(_ frame: MediaFrame) {
        guard !isFinished, frame.timestamp.magnitude < Self.maximumTimestamp, let index = admit(frame) else { return }
        if origin != nil {
            write(frame, of: index)
            return
        }
        held.append(frame)
        heldBytes += frame.payload.readableBytes + MediaFrame.headerBytes
        heldTracks.insert(frame.track)
        let (earliest, latest) = (heldTimes?.lowerBound ?? frame.timestamp, heldTimes?.upperBound ?? frame.timestamp)
        heldTimes = min(earliest, frame.timestamp)...max(latest, frame.timestamp)
        if hasWaitedEnough { begin() }
    }

    /// Completes the file.
    public mutating func finish() {
        guard !isFinished else { return }
        if origin == nil, !held.isEmpty { begin() }
        isFinished = true
        if origin != nil { close() }
    }

    /// What is to be written next; nil if nothing is at present.
    public mutating func nextOutput() -> Output? {
        outputs.next()
    }

    /// Whether frames that belong to a new catalog can go into the same file: no track has come, or has another codec or
    /// configuration. Another picture size is no obstacle where the frames themselves tell it.
    public func canContinue(with catalog: MediaCatalog) -> Bool {
        catalog.tracks.allSatisfy { track in
            guard let known = tracks.first(where: { $0.media.id == track.id })?.media else {
                // A track that no file can have anyway.
                return (try? WebMTrackWriter(track)) == nil
            }
            guard known.isVideo == track.isVideo, known.codecDescription == track.codecDescription else { return false }
            if track.isVideo { return WebMCodec(codec: known.codec) == WebMCodec(codec: track.codec) }
            return known.codec == track.codec && known.parameters == track.parameters
        }
    }

    /// A new catalog came: tracks that changed go on at their next key frame, whatever number that has.
    public mutating func adopt(_ catalog: MediaCatalog) {
        for index in tracks.indices {
            let entry = catalog.tracks.first { $0.id == tracks[index].media.id }
            guard entry?.codec != tracks[index].media.codec || entry?.parameters != tracks[index].media.parameters
            else {
                continue
            }
            tracks[index].next = nil
            tracks[index].needsKeyFrame = true
        }
    }
}

// MARK: - The beginning

extension WebMMuxer {
    /// The index of a frame's track, if the frame is of use: neither old nor built on one that was lost.
    private mutating func admit(_ frame: MediaFrame) -> Int? {
        guard let index = tracks.firstIndex(where: { $0.media.id == frame.track }) else { return nil }
        if let next = tracks[index].next, next != frame.number {
            // Twice, or from before what was seen.
            guard frame.number &- next <= UInt32.max / 2 else { return nil }
            tracks[index].needsKeyFrame = true
        }
        tracks[index].next = frame.number &+ 1
        guard frame.isKeyFrame || !tracks[index].needsKeyFrame else { return nil }
        tracks[index].needsKeyFrame = false
        return index
    }

    private var hasWaitedEnough: Bool {
        guard heldBytes <= options.maximumHeldBytes, let heldTimes else { return true }
        let waited = heldTimes.upperBound - heldTimes.lowerBound
        // Where the picture comes late it is waited for longer: it decides where the file begins.
        guard heldTracks.contains(primary) else { return waited > 5 * options.maximumWait }
        return heldTracks.count == tracks.count || waited > options.maximumWait
    }

    /// Decides what is time 0, writes the header and what was held back.
    private mutating func begin() {
        let frames = held
        held = []
        let first = frames.first { $0.track == primary } ?? frames[0]
        let isLate = first.number != 0
        let times = frames.map { $0.timestamp + delay(of: $0.track) }
        origin = isLate ? first.timestamp + delay(of: first.track) : min(0, times.min() ?? 0)
        for index in tracks.indices {
            if let frame = frames.first(where: { $0.track == tracks[index].media.id }) {
                tracks[index].learn(from: frame)
            }
        }
        writeHeader()
        for frame in frames {
            if let index = tracks.firstIndex(where: { $0.media.id == frame.track }) { write(frame, of: index) }
        }
    }

    private func delay(of track: UInt8) -> Int64 {
        tracks.first { $0.media.id == track }?.delay ?? 0
    }
}
