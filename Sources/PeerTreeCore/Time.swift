/// A point on a monotonic clock, in nanoseconds since an origin that the driver chooses.
///
/// State machines never read a clock: every input carries the instant at which it happened.
public struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since the driver's origin.
    public var nanoseconds: UInt64

    /// Makes an instant `nanoseconds` after the driver's origin.
    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The origin itself.
    public static let zero = Instant(nanoseconds: 0)

    /// An instant that is never reached.
    public static let distantFuture = Instant(nanoseconds: .max)

    /// Whether `left` comes before `right`.
    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The instant `span` later; saturates at ``distantFuture``.
    public static func + (instant: Instant, span: TimeSpan) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(span.nanoseconds)
        return overflow ? .distantFuture : Instant(nanoseconds: sum)
    }

    /// The time from `earlier` to `later`; zero if they are the other way round.
    public static func - (later: Instant, earlier: Instant) -> TimeSpan {
        TimeSpan(nanoseconds: later.nanoseconds > earlier.nanoseconds ? later.nanoseconds - earlier.nanoseconds : 0)
    }
}

/// A non-negative length of time in nanoseconds.
///
/// The core has its own type because `Swift.Duration` is 128 bits wide and signed, which neither hot paths nor wire
/// fields want.
public struct TimeSpan: Hashable, Comparable, Sendable {
    /// The length in nanoseconds.
    public var nanoseconds: UInt64

    /// Makes a span of `nanoseconds`.
    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// No time at all.
    public static let zero = TimeSpan(nanoseconds: 0)

    /// A span of whole microseconds.
    public static func microseconds(_ count: UInt64) -> TimeSpan {
        TimeSpan(nanoseconds: count.multipliedSaturating(by: 1_000))
    }

    /// A span of whole milliseconds.
    public static func milliseconds(_ count: UInt64) -> TimeSpan {
        TimeSpan(nanoseconds: count.multipliedSaturating(by: 1_000_000))
    }

    /// A span of whole seconds.
    public static func seconds(_ count: UInt64) -> TimeSpan {
        TimeSpan(nanoseconds: count.multipliedSaturating(by: 1_000_000_000))
    }

    /// Whether `left` is shorter than `right`.
    public static func < (left: TimeSpan, right: TimeSpan) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension UInt64 {
    fileprivate func multipliedSaturating(by factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
