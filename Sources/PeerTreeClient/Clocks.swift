import NIOCore
import PeerTreeCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

// This host's clocks in the core's terms; `Web/src/clock.js` has those of browsers.

/// The time of day, for timestamps that are compared across machines.
enum WallClock {
    /// Microseconds since 1970-01-01 UTC.
    static var microseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(clamping: time.tv_sec) * 1_000_000 + UInt64(clamping: time.tv_nsec) / 1_000
    }
}

extension PeerTreeCore.Instant {
    /// By the clock of event loops.
    static var now: PeerTreeCore.Instant { Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds) }
}

extension TimeSpan {
    init(_ amount: TimeAmount) {
        self.init(nanoseconds: UInt64(max(0, amount.nanoseconds)))
    }
}
