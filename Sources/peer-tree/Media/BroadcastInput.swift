import Foundation
import NIOCore
import PeerTreeCore

/// The input of a broadcast, looked at as far as it takes to know what it is.
///
/// Of a file that is known before anything else begins; of a pipe, which may be silent for long, nothing is known.
struct BroadcastInput: Sendable {
    /// The rest of the input.
    let reader: InputReader
    /// Turns it into messages.
    let feeder: InputFeeder
    /// The messages of what was read already.
    let beginning: [OutgoingMessage]
    /// How many bytes that was.
    let consumed: Int
    /// Whether that was everything.
    let isOver: Bool
    /// What happens to slow viewers.
    let policy: StreamPolicy
    /// Over how many trees the stream is to be dealt.
    let layout: StripeLayout
    /// Holds frames to their pace; nil if they are sent as fast as possible.
    let pacer: FramePacer?

    /// How far ahead of its time media goes, so that players have something in reserve.
    private static let lead = Duration.seconds(1)
    /// How much faster than it plays a pipe may be: a device's clock is not exactly this machine's.
    private static let pipeSpeed = 1.02

    /// Opens the input and, if it is a file, looks at its beginning.
    ///
    /// - Throws: ``Failure`` if it cannot be read, or not be broadcast like this.
    init(_ command: Broadcast) async throws {
        reader = try InputReader(command.input)
        let isFile = reader.size != nil && command.input != "-"
        var options = InputFeeder.Options()
        options.isRaw = command.raw
        options.joinPoints = command.joinEvery.map { JoinPoints(interval: Int64($0 * 1e6)) }
        options.isLive = command.live
        options.isEndless = command.loop
        options.name = isFile ? command.input : nil
        options.size = isFile ? reader.size : nil
        options.input = command.input
        var feeder = InputFeeder(options)
        var beginning: [OutgoingMessage] = []
        var (consumed, isOver) = (0, false)
        while isFile, !isOver, !feeder.isDecided {
            if let bytes = try await reader.read() {
                consumed += bytes.readableBytes
                beginning += try feeder.feed(bytes, at: Self.now)
            } else {
                beginning += try feeder.finish(at: Self.now)
                isOver = true
            }
        }
        if command.loop, !feeder.isMedia {
            throw Failure(status: .noInput, message: "'\(command.input)' is not media: --loop is for media files.")
        }
        (self.feeder, self.beginning, self.consumed, self.isOver) = (feeder, beginning, consumed, isOver)
        let isPaced = command.pace == .realtime
        // A file that plays cannot wait for one viewer without making all others wait.
        policy = command.live ? .live : feeder.isMedia && isPaced ? .paced : .lossless
        layout = command.layout(plays: policy != .lossless && !command.raw)
        if policy == .lossless, layout.parity > 0 {
            throw Failure(
                status: .noInput,
                message:
                    "'\(command.input)' is sent as bytes, which wait for the slowest viewer: --parity is for media at their pace."
            )
        }
        let lead = command.live && isFile ? .zero : Self.lead
        pacer = isPaced ? FramePacer(lead: lead, speed: isFile ? 1 : Self.pipeSpeed) : nil
    }

    /// The clock, in microseconds since 1970-01-01 UTC.
    static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1e6) }
}
