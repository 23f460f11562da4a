// What the server is told at regular times, and what it is asked for.

/// When the next report is due.
struct ReportSchedule {
    var interval = TimeSpan.seconds(2)
    var next = Instant.distantFuture

    /// However large the audience is.
    static let longestInterval = TimeSpan.seconds(3_600)
}

extension Membership {
    /// Whether reports go to the server: a source has nothing to say that its viewers do not.
    var isReporting: Bool {
        phase == .member && !isSource && server.isNative && server.isConnected
    }

    mutating func beginReports(at now: Instant) {
        guard let interval = configuration.statusInterval, !isSource else { return }
        reports.interval = interval
        reports.next = now + interval
    }

    /// The server has too many peers to hear of each as often, or has fewer again.
    mutating func pace(_ wanted: TimeSpan, at now: Instant) {
        guard let shortest = configuration.statusInterval, reports.next != .distantFuture else { return }
        reports.interval = min(max(shortest, wanted), ReportSchedule.longestInterval)
        reports.next = now + reports.interval
    }

    /// Whether to tell the server, if it asks, how lately the source has been heard of: only a signed tree's viewers can.
    var mayHandInPulse: Bool {
        phase == .member && !isSource && sourceKey != nil && server.isNative && server.isConnected
    }

    /// Whether credentials can be renewed now.
    var mayRenew: Bool {
        phase == .member && server.isNative && server.isConnected
    }
}
