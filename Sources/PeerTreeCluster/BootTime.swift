package import PeerTreeCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The time since the machine was started, while it slept included: a lease that etcd has ended meanwhile has ended by this
/// clock, too.
package enum BootTime {
    package static var now: Instant {
        var time = timespec()
        #if canImport(Darwin)
        // Darwin's monotonic clock goes on during sleep.
        clock_gettime(CLOCK_MONOTONIC, &time)
        #else
        clock_gettime(CLOCK_BOOTTIME, &time)
        #endif
        return Instant(nanoseconds: UInt64(clamping: time.tv_sec) &* 1_000_000_000 &+ UInt64(clamping: time.tv_nsec))
    }
    /// The Unix time, in milliseconds, at which this clock stood at zero.
    static var unixMillisecondsAtZero: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) &* 1_000 &- Int64(clamping: now.nanoseconds / 1_000_000)
    }
}
