/// Holds frames to the pace at which they play.
struct FramePacer {
    /// A pause that is longer is taken for a jump of the clock.
    private static let longestPause: Int64 = 60_000_000

    /// Lateness up to this is made up for: frames come in the order of decoding, not of presentation, and in bursts.
    private static let slack = Duration.milliseconds(500)

    /// How far ahead of their time frames may go.
    private let lead: Duration
    /// Media time that may pass in a second, in seconds.
    private let speed: Double
    /// A moment, and the timestamp that belongs to it.
    private var anchor: (time: ContinuousClock.Instant, timestamp: Int64)?

    /// Makes a pacer that starts with the first frame.
    init(lead: Duration, speed: Double = 1) {
        self.lead = lead
        self.speed = speed
    }

    /// Waits until a frame may go.
    mutating func wait(for timestamp: Int64) async throws {
        let now = ContinuousClock.now
        guard let anchor else {
            self.anchor = (now, timestamp)
            return
        }
        let sinceAnchor = timestamp - anchor.timestamp
        let onTime = anchor.time + .microseconds(Int64(Double(sinceAnchor) / speed))
        // What is later makes all that follows late: it keeps its distance.
        guard onTime + Self.slack > now,
            sinceAnchor - Self.microseconds(anchor.time.duration(to: now)) < Self.longestPause
        else {
            self.anchor = (now, timestamp)
            return
        }
        if onTime - lead > now { try await Task.sleep(until: onTime - lead, clock: .continuous) }
    }

    private static func microseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000
    }
}
