import NIOCore
import NodeLinks
import TestSupport
import Testing

/// Whatever the network and the processes do: every frame once and in order, or the session is told to be over.
@Suite(.timeLimit(.minutes(5)))
struct ModelTests {
    @Test("500 seeds: every frame comes once, in order, or its session is over and it is named")
    func everySeed() {
        // And the one that once found a session that began a second time.
        for seed in Array(UInt64(0)..<500) + [608] {
            let problems = Scenario(seed: seed).run()
            #expect(problems.isEmpty, "seed \(seed): \(problems.prefix(3))")
            if !problems.isEmpty { return }
        }
    }
}

/// A few seconds of two or three nodes that send whatever they may, under faults; then faults end, and all has to arrive.
struct Scenario {
    private var cluster: ModelCluster
    private var actions: SeededGenerator
    private var restarts = 0
    private let options: LinkOptions
    private let restartsOneIn: UInt64
    private let pausesOneIn: UInt64

    init(seed: UInt64) {
        actions = SeededGenerator(seed: seed ^ 0xACE)
        var options = LinkOptions()
        if seed % 4 == 0 { options.maximumQueuedFrames = 20 }
        if seed % 4 == 1 { options.maximumQueuedBytes = 20_000 }
        options.writableBelowFrames = 10
        options.keepAlive = .milliseconds(100)
        options.unreachableAfter = .milliseconds(400)
        options.silenceLimit = .milliseconds(800)
        options.handshakeTimeout = .milliseconds(800)
        options.redialMaximum = .milliseconds(400)
        options.dialPatience = .milliseconds(300)
        options.acknowledgementFrames = 1 + Int(actions.next(upperBound: 20))
        options.maximumPayloadBytes = 16_384
        self.options = options
        restartsOneIn = seed % 3 == 0 ? 60 : 1_000_000
        pausesOneIn = seed % 5 == 0 ? 10 : 0
        cluster = ModelCluster(seed % 2 == 0 ? ["a", "b"] : ["a", "b", "c"], seed: seed, options: options)
        cluster.faults.cutWithin = [200, 1_000, 5_000, 50_000][Int(actions.next(upperBound: 4))]
    }

    func run() -> [String] {
        var copy = self
        return copy.play()
    }

    private mutating func play() -> [String] {
        for number in cluster.nodes.indices { cluster.schedule(.act(number), after: cluster.delay()) }
        var (actions, restarts, restartsOneIn) = (self.actions, 0, self.restartsOneIn)
        var isQuiet = false
        func act(_ cluster: inout ModelCluster, _ number: Int) {
            guard !isQuiet else { return }
            if actions.next(upperBound: restartsOneIn) == 0 {
                cluster.restart(number)
                restarts += 1
            }
            let names = cluster.nodes.map(\.name).filter { $0 != cluster.nodes[number].name }
            if pausesOneIn > 0, actions.next(upperBound: pausesOneIn) == 0 {
                let name = names[Int(actions.next(upperBound: UInt64(names.count)))]
                cluster.take(actions.next(upperBound: 2 as UInt64) == 0, at: number, from: name)
            }
            for _ in 0..<actions.next(upperBound: 4) {
                let name = names[Int(actions.next(upperBound: UInt64(names.count)))]
                let isLong = actions.next(upperBound: 20) == 0
                cluster.send(from: number, to: name, bytes: Int(actions.next(upperBound: isLong ? 16_000 : 200)))
            }
            cluster.schedule(.act(number), after: .milliseconds(Int64(actions.next(upperBound: 80))))
        }
        cluster.run(until: cluster.now + .seconds(2), act: act)
        let bound = checkBounds()
        (isQuiet, restartsOneIn) = (true, .max)
        for number in cluster.nodes.indices {
            for node in cluster.nodes { cluster.take(true, at: number, from: node.name) }
        }
        cluster.faults.cutOneIn = 0
        // Every connection that is to end has ended, or is replaced: silence is seen within a second, twice at most.
        cluster.run(until: cluster.now + .seconds(4), act: act)
        return cluster.nodes.flatMap(\.problems) + bound + checkAgreement() + checkEnds(restarts)
    }

    /// What was not acknowledged, and connections, are bounded.
    private func checkBounds() -> [String] {
        cluster.nodes.compactMap { node in
            let figures = node.machine.figures
            let isBounded =
                figures.queuedFrames <= (cluster.nodes.count - 1) * options.maximumQueuedFrames
                && figures.queuedBytes <= (cluster.nodes.count - 1) * options.maximumQueuedBytes
                && figures.connections <= options.maximumUnprovenConnections + 5 * cluster.nodes.count
            return isBounded ? nil : "\(node.name) holds \(figures)"
        }
    }

    /// Both ends of every pair have one session, and each has all that the other has sent.
    private func checkAgreement() -> [String] {
        var problems: [String] = []
        for node in cluster.nodes {
            for other in cluster.nodes where other.name != node.name {
                guard let here = node.users[other.name], let there = other.users[node.name], here.session != nil,
                    here.session == there.session
                else {
                    problems.append("\(node.name) and \(other.name) have no session in common")
                    continue
                }
                if here.sent != there.received {
                    problems.append("of \(here.sent) by \(node.name), \(other.name) has \(there.received)")
                }
                if here.isReachable != true || !here.isWritable {
                    problems.append("\(node.name) does not reach \(other.name)")
                }
                for (session, lost) in here.lost {
                    guard let received = there.receivedBefore[session], received + 1 < lost.lowerBound else { continue }
                    problems.append("\(lost) were lost, and no other; but \(other.name) has had \(received)")
                }
            }
            if node.machine.figures.queuedFrames > 0 { problems.append("\(node.name) still waits") }
        }
        return problems
    }

    /// No session ends without a reason.
    private func checkEnds(_ restarts: Int) -> [String] {
        let ends = cluster.nodes.flatMap { node in node.users.values.flatMap(\.ends) }
        let overflows = ends.filter { $0 == .overflow }.count
        var problems: [String] = []
        if ends.contains(.violation) { problems.append("a node did what it must not do") }
        if restarts == 0, ends.contains(.restarted) { problems.append("a session ended by a restart that was none") }
        if restarts == 0, overflows == 0, !ends.isEmpty { problems.append("sessions ended: \(ends)") }
        return problems
    }
}
