import CoreMetrics
import Testing

@testable import PeerTreeServer

@Suite("Metrics in Prometheus' text format", .timeLimit(.minutes(5)))
struct PrometheusMetricsTests {
    @Test("Counters, gauges and histograms are shown in order, each under one type line")
    func text() {
        let metrics = PrometheusMetrics()
        metrics.makeCounter(label: "b_total", dimensions: [("code", "x\"y\n")]).increment(by: 2)
        metrics.makeCounter(label: "b_total", dimensions: [("code", "x\"y\n")]).increment(by: 3)
        metrics.makeCounter(label: "b_total", dimensions: [("code", "z")]).increment(by: 1)
        metrics.makeRecorder(label: "a.gauge", dimensions: [], aggregate: false).record(1.5)
        let timer = metrics.makeTimer(label: "c_seconds", dimensions: [])
        timer.recordNanoseconds(2_000_000)
        timer.recordNanoseconds(60_000_000_000)
        let lines = metrics.text.split(separator: "\n").map(String.init)
        #expect(
            Array(lines.prefix(5)) == [
                "# TYPE a_gauge gauge", "a_gauge 1.5", "# TYPE b_total counter", #"b_total{code="x\"y\n"} 5"#,
                #"b_total{code="z"} 1"#,
            ]
        )
        #expect(lines[5] == "# TYPE c_seconds histogram")
        #expect(lines.contains(#"c_seconds_bucket{le="0.001"} 0"#))
        #expect(lines.contains(#"c_seconds_bucket{le="0.0025"} 1"#))
        #expect(lines.contains(#"c_seconds_bucket{le="10"} 1"#))
        #expect(lines.contains(#"c_seconds_bucket{le="+Inf"} 2"#))
        #expect(lines.last == "c_seconds_count 2")
        #expect(lines.contains("c_seconds_sum 60.002"))
    }
}
