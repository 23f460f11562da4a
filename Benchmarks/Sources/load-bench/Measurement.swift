#if os(Linux)
/// The figures of one run, in the order in which they were taken, as one JSON object.
struct Report {
    private var figures: [(name: String, value: Double)] = []

    mutating func add(_ name: String, _ value: Double) { figures.append((name, value)) }

    /// `p50`, `p99` and `max` of times in nanoseconds, told in milliseconds.
    mutating func add(_ name: String, milliseconds times: [UInt64]) {
        guard !times.isEmpty else { return }
        let sorted = times.sorted()
        add("\(name)P50", Double(sorted[sorted.count / 2]) / 1e6)
        add("\(name)P99", Double(sorted[sorted.count * 99 / 100]) / 1e6)
        add("\(name)Max", Double(sorted[sorted.count - 1]) / 1e6)
    }

    var json: String { "{\(figures.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ","))}" }
}

/// Processor time of the server and of this process over a stretch of time.
struct Stopwatch {
    private let server: ServerProcess?
    private let begin = nanoseconds()
    private let ownCPU = ownCPUSeconds()
    private let serverCPU: Double

    init(server: ServerProcess?) {
        self.server = server
        serverCPU = server?.cpuSeconds ?? 0
    }

    var seconds: Double { Double(nanoseconds() - begin) / 1e9 }

    /// Adds how many percent of a core each of the two used.
    func report(to report: inout Report) {
        report.add("seconds", seconds)
        report.add("generatorPercent", (ownCPUSeconds() - ownCPU) / seconds * 100)
        if let server { report.add("serverPercent", (server.cpuSeconds - serverCPU) / seconds * 100) }
    }
}

/// The rate of joins where the tree has just grown to each size: over the last thousand joins before it.
func rates(of times: [UInt64], since begin: UInt64) -> [(size: Int, perSecond: Double)] {
    let marks = [1_000, 5_000, 10_000, 19_000].filter { $0 < times.count } + [times.count]
    return marks.map { mark in
        let count = min(1_000, mark)
        let first = mark > count ? times[mark - count - 1] : begin
        return (mark, Double(count) / (Double(times[mark - 1] - first) / 1e9))
    }
}

/// The least depth of a tree of so many viewers.
func optimalDepth(viewers: Int, k: Int, k1: Int) -> Int {
    var (depth, width, places) = (1, k1, k1)
    while places < viewers {
        width *= k
        places += width
        depth += 1
    }
    return depth
}
#endif
