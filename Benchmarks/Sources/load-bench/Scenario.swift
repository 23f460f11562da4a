#if os(Linux)
import Measuring
import TestSupport

/// What is measured.
enum ScenarioName: String, CaseIterable {
    /// All sockets are open; then all join.
    case joins
    /// All connect and join.
    case connect
    /// All are there; so many a second go, and as many come.
    case steady
    /// All are there and only heartbeats travel.
    case idle
    /// As `steady`, with half of the departures unannounced, and an eye on depth and memory.
    case churn
}

/// One run of a scenario.
struct Scenario {
    let crowd: Crowd
    let peers: Int
    /// Operations under way at a time.
    let inFlight: Int
    let seconds: Int
    let perSecond: Int
    let k: Int
    let k1: Int
    let server: ServerProcess?
    private let residentBefore: Int
    private var report = Report()

    init(crowd: Crowd, options: LoadBench.Settings) {
        self.crowd = crowd
        peers = options.peers
        inFlight = options.inFlight
        seconds = options.seconds
        perSecond = options.rate
        k = options.k
        k1 = options.k1
        server = options.serverPID.map(ServerProcess.init)
        residentBefore = server?.residentBytes ?? 0
    }

    mutating func run(_ name: ScenarioName) throws -> Report {
        try crowd.createTree()
        switch name {
        case .joins: try joins()
        case .connect: try connect()
        case .steady: try replaceContinually(halfVanish: false)
        case .idle: try idle()
        case .churn: try replaceContinually(halfVanish: true)
        }
        return report
    }

    // MARK: - The crowd comes

    private mutating func joins() throws {
        try pump { number in
            try crowd.connect(number, joins: false)
        } until: {
            crowd.opened
        }
        try rest(seconds: 1)
        let stopwatch = Stopwatch(server: server)
        let begin = nanoseconds()
        try pump { number in
            try crowd.join(number)
        } until: {
            crowd.joined
        }
        reportJoins(since: begin, stopwatch)
    }

    private mutating func connect() throws {
        let stopwatch = Stopwatch(server: server)
        let begin = nanoseconds()
        try pump { number in
            try crowd.connect(number, joins: true)
        } until: {
            crowd.joined
        }
        reportJoins(since: begin, stopwatch)
        report.add("arrival", milliseconds: crowd.arrivalTimes)
    }

    private mutating func reportJoins(since begin: UInt64, _ stopwatch: Stopwatch) {
        stopwatch.report(to: &report)
        report.add("perSecond", Double(peers) / stopwatch.seconds)
        for (size, perSecond) in rates(of: crowd.joinTimes, since: begin) {
            report.add("perSecondAt\(size)", perSecond)
        }
        report.add("discover", milliseconds: crowd.discoverTimes)
        reportMemory()
    }

    private mutating func reportMemory() {
        guard let server else { return }
        report.add("bytesPerPeer", Double(server.residentBytes - residentBefore) / Double(peers))
    }

    /// Keeps a number of operations under way until each peer has had its own.
    private func pump(_ begin: (Int) throws -> Void, until completed: () -> Int) throws {
        var begun = 0
        while completed() < peers {
            while begun < peers, begun - completed() < inFlight {
                begun += 1
                try begin(begun)
            }
            try crowd.poll(milliseconds: 1_000)
        }
    }

    private func rest(seconds: Double) throws {
        let end = nanoseconds() + UInt64(seconds * 1e9)
        while nanoseconds() < end { try crowd.poll(milliseconds: 10) }
    }

    // MARK: - The crowd is there

    private func gather() throws {
        try pump { number in
            try crowd.connect(number, joins: true)
        } until: {
            crowd.joined
        }
        // Joins leave work behind: links that are reported, moves, a summary to the source.
        try rest(seconds: 5)
        crowd.forgetTimes()
        crowd.forgetDepth()
    }

    private mutating func idle() throws {
        try gather()
        let stopwatch = Stopwatch(server: server)
        try rest(seconds: Double(seconds))
        stopwatch.report(to: &report)
        report.add("pings", Double(crowd.pings))
        report.add("statusReports", Double(crowd.statusReports))
        reportMemory()
    }

    private mutating func replaceContinually(halfVanish: Bool) throws {
        try gather()
        let residentAtFirst = server?.residentBytes ?? 0
        var resident: [Int] = []
        let stopwatch = Stopwatch(server: server)
        let begin = nanoseconds()
        var random = SeededGenerator(seed: 1)
        for count in 0..<(perSecond * seconds) {
            let due = begin + UInt64(count) * 1_000_000_000 / UInt64(perSecond)
            while nanoseconds() < due { try crowd.poll(milliseconds: 1) }
            if count % perSecond == 0, let server { resident.append(server.residentBytes) }
            var number = Int.random(in: 1...peers, using: &random)
            while !crowd.isJoined(number) { number = Int.random(in: 1...peers, using: &random) }
            try crowd.depart(number, vanishes: halfVanish && count % 2 == 1)
            try crowd.connect(number, joins: true)
        }
        let end = nanoseconds() + 10_000_000_000
        while crowd.joined < perSecond * seconds {
            try crowd.poll(milliseconds: 100)
            guard nanoseconds() < end else { throw LoadError("Some peers did not get back in within 10 s.") }
        }
        stopwatch.report(to: &report)
        report.add("replacedPerSecond", Double(crowd.joined) / stopwatch.seconds)
        report.add("discover", milliseconds: crowd.discoverTimes)
        report.add("arrival", milliseconds: crowd.arrivalTimes)
        reportMemory()
        if server != nil, let most = resident.max() {
            report.add("residentAtFirst", Double(residentAtFirst))
            report.add("residentAtMost", Double(most))
            report.add("residentAtLast", Double(resident.last ?? most))
        }
        report.add("optimalDepth", Double(optimalDepth(viewers: peers, k: k, k1: k1)))
        if let deepest = crowd.deepest { report.add("deepest", Double(deepest)) }
    }
}
#endif
