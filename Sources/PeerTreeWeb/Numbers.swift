#if canImport(PeerTreeCore)
import PeerTreeCore
#endif

// Scripts know one kind of number, and count time in milliseconds.

extension Double {
    /// The whole number next below; what does not fit is clamped, since traps cannot be recovered from.
    var clamped: UInt64 {
        guard self > 0 else { return 0 }
        return self < 9.2e18 ? UInt64(self) : UInt64(1) << 62
    }
}

extension Instant {
    init(milliseconds: Double) {
        self.init(nanoseconds: (milliseconds * 1e6).clamped)
    }
}

extension TimeSpan {
    init(milliseconds: Double) {
        self.init(nanoseconds: (milliseconds * 1e6).clamped)
    }

    var milliseconds: Double { Double(nanoseconds) / 1e6 }
}
