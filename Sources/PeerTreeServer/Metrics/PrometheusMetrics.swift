public import CoreMetrics
import Synchronization

/// Keeps what is reported through swift-metrics and shows it in Prometheus' text format (version 0.0.4).
///
/// Counters count; recorders that do not aggregate are gauges; timers, and recorders that do, are histograms, of seconds
/// and of what was recorded. Bootstrap it once per process:
/// ```swift
/// let metrics = PrometheusMetrics()
/// MetricsSystem.bootstrap(metrics)
/// ```
public final class PrometheusMetrics: MetricsFactory {
    private struct Key: Hashable {
        var name: String
        /// As they stand between the braces.
        var labels: String
    }

    private enum Metric {
        case counter(PrometheusCounter)
        case gauge(PrometheusGauge)
        case histogram(PrometheusHistogram)
    }

    private let metrics = Mutex<[Key: Metric]>([:])

    /// No metrics yet.
    public init() {}

    /// A counter.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        let counter = PrometheusCounter()
        return add(label, dimensions, .counter(counter)) { if case .counter(let known) = $0 { known } else { nil } }
            ?? counter
    }

    /// A histogram if it aggregates, else a gauge.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else {
            let gauge = PrometheusGauge()
            return add(label, dimensions, .gauge(gauge)) { if case .gauge(let known) = $0 { known } else { nil } }
                ?? gauge
        }
        return makeHistogram(label, dimensions)
    }

    /// A histogram of seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        makeHistogram(label, dimensions)
    }

    /// Does nothing: what was counted stays visible.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// Does nothing: what was recorded stays visible.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Does nothing: what was recorded stays visible.
    public func destroyTimer(_ handler: any TimerHandler) {}

    private func makeHistogram(_ label: String, _ dimensions: [(String, String)]) -> PrometheusHistogram {
        let histogram = PrometheusHistogram()
        return add(label, dimensions, .histogram(histogram)) {
            if case .histogram(let known) = $0 { known } else { nil }
        }
            ?? histogram
    }

    /// Keeps a new metric, or returns the handler of the one that has this name already.
    private func add<Handler: Sendable>(
        _ label: String,
        _ dimensions: [(String, String)],
        _ metric: sending Metric,
        handler: (Metric) -> Handler?
    ) -> Handler? {
        let key = Key(name: Self.name(label), labels: Self.labels(dimensions))
        return metrics.withLock { metrics in
            if let known = metrics[key] { return handler(known) }
            metrics[key] = metric
            return nil
        }
    }

    /// Everything, metric by metric in the order of their names.
    public var text: String {
        let all = metrics.withLock { $0 }.sorted { ($0.key.name, $0.key.labels) < ($1.key.name, $1.key.labels) }
        var text = ""
        var last: String?
        for (key, metric) in all {
            switch metric {
            case .counter(let counter):
                if key.name != last { text += "# TYPE \(key.name) counter\n" }
                text += "\(key.name)\(Self.braced(key.labels)) \(counter.value)\n"
            case .gauge(let gauge):
                if key.name != last { text += "# TYPE \(key.name) gauge\n" }
                text += "\(key.name)\(Self.braced(key.labels)) \(Self.number(gauge.value))\n"
            case .histogram(let histogram):
                if key.name != last { text += "# TYPE \(key.name) histogram\n" }
                text += histogram.text(key.name, key.labels)
            }
            last = key.name
        }
        return text
    }

    /// Letters, digits and underscores only, not a digit first.
    private static func name(_ label: String) -> String {
        let name = String(label.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        return name.first?.isNumber ?? true ? "_" + name : name
    }

    private static func labels(_ dimensions: [(String, String)]) -> String {
        dimensions.map { key, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            return "\(name(key))=\"\(escaped)\""
        }.joined(separator: ",")
    }

    fileprivate static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    fileprivate static func number(_ value: Double) -> String {
        Int64(exactly: value).map { String($0) } ?? String(value)
    }
}

/// Only grows.
private final class PrometheusCounter: CounterHandler {
    private let count = Atomic<Int64>(0)

    var value: Int64 { count.load(ordering: .relaxed) }

    func increment(by amount: Int64) { count.wrappingAdd(max(0, amount), ordering: .relaxed) }
    func reset() { count.store(0, ordering: .relaxed) }
}

/// The latest value.
private final class PrometheusGauge: RecorderHandler {
    private let bits = Atomic<UInt64>(0)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
}

/// How many values were at most so large.
private final class PrometheusHistogram: TimerHandler, RecorderHandler {
    private struct State {
        var counts: [UInt64] = Array(repeating: 0, count: PrometheusHistogram.bounds.count)
        var count: UInt64 = 0
        var sum = 0.0
    }

    private static let bounds = [
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    private let state = Mutex(State())

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        state.withLock { state in
            state.count += 1
            state.sum += value
            if let bucket = Self.bounds.firstIndex(where: { value <= $0 }) { state.counts[bucket] += 1 }
        }
    }

    func text(_ name: String, _ labels: String) -> String {
        let state = state.withLock { $0 }
        let prefix = labels.isEmpty ? "" : labels + ","
        var text = ""
        var below: UInt64 = 0
        for (bound, count) in zip(Self.bounds, state.counts) {
            below += count
            text += "\(name)_bucket{\(prefix)le=\"\(PrometheusMetrics.number(bound))\"} \(below)\n"
        }
        text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(state.count)\n"
        text += "\(name)_sum\(PrometheusMetrics.braced(labels)) \(PrometheusMetrics.number(state.sum))\n"
        text += "\(name)_count\(PrometheusMetrics.braced(labels)) \(state.count)\n"
        return text
    }
}
