import Foundation
import NetworkEmulation

/// What came of a measurement.
struct Figures: CustomStringConvertible {
    /// Bytes a second of each flow.
    var rates: [Double]
    /// What the path could carry of messages, in bytes a second.
    var ceiling: Double
    var meanQueueDelay: Duration
    var longestQueueDelay: Duration
    /// From `send` to `onMessage`, in milliseconds, sorted; paced messages only.
    var latencies: [Double]

    var description: String {
        let total = self.rates.reduce(0, +)
        let (mean, longest) = (self.meanQueueDelay.inSeconds * 1e3, self.longestQueueDelay.inSeconds * 1e3)
        var text = String(format: "%5.2f MB/s  %3.0f %% of the ceiling", total / 1e6, 100 * total / self.ceiling)
        text += String(format: "  queue %5.1f ms, at most %5.1f", mean, longest)
        if let least = self.rates.min(), let most = self.rates.max(), self.rates.count > 1 {
            text += String(format: "  each %4.2f to %4.2f MB/s", least / 1e6, most / 1e6)
        }
        if !self.latencies.isEmpty {
            let (p50, p99, p999) = (self.percentile(0.5), self.percentile(0.99), self.percentile(0.999))
            text += String(format: "  p50 %5.1f ms, p99 %6.1f, p99.9 %6.1f", p50, p99, p999)
        }
        return text
    }

    private func percentile(_ share: Double) -> Double {
        self.latencies[min(self.latencies.count - 1, Int(Double(self.latencies.count) * share))]
    }
}
