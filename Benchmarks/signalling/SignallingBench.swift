import Crypto
import JSON
import NIOCore
import NIOPosix
import PeerTreeCore
import PeerTreeSignalling

/// Joins of the signalling service, fed from memory: as many trees in one service on one loop as in two on a loop each, by
/// turns.
///
/// `signalling-bench [JOINS] [ROUNDS]`, where JOINS are those of each of two trees (20,000) and ROUNDS how often each way is
/// measured (5).
@main
struct SignallingBench {
    static func main() async throws {
        let numbers = CommandLine.arguments.dropFirst().map { Int($0) }
        guard numbers.count <= 2, numbers.allSatisfy({ $0 ?? 0 > 0 }) else {
            print("Usage: signalling-bench [JOINS] [ROUNDS], two numbers from 1")
            return
        }
        let joins = numbers.first.flatMap { $0 } ?? 20_000
        let rounds = numbers.dropFirst().first.flatMap { $0 } ?? 5
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        var rates: [Way: [Double]] = [:]
        for round in 1...rounds {
            for way in Way.allCases {
                let rate = try await run(way, joins: joins, on: Array(group.makeIterator()))
                rates[way, default: []].append(rate)
                print("round \(round): \(way.rawValue): \(Int(rate)) joins a second")
            }
        }
        try await group.shutdownGracefully()
        let base = median(rates[.one] ?? [])
        for way in Way.allCases {
            let rate = median(rates[way] ?? [])
            let ratio = (rate / base * 100).rounded() / 100
            print("\(way.rawValue): median \(Int(rate)) joins a second, \(ratio) of one loop's")
        }
    }

    /// Where sockets and trees are.
    private enum Way: String, CaseIterable {
        case one = "two trees on one loop"
        case apart = "a tree and its sockets on each of two loops"
        case spread = "a tree on each of two loops, its sockets on both"
    }

    private static func median(_ values: [Double]) -> Double {
        values.sorted()[values.count / 2]
    }

    /// - Returns: Joins a second, of both trees together.
    private static func run(_ way: Way, joins: Int, on eventLoops: [any EventLoop]) async throws -> Double {
        let count = way == .one ? 1 : 2
        var options = SignallingOptions()
        options.tracker.childrenOfSource = 4
        options.joinBurstPerAddress = .max
        let limits = SharedLimits(options)
        let loops = (0..<count).map { number in
            FedLoop(
                SignallingService(
                    options: options,
                    security: .benchmark,
                    term: SlotTerm(startedAt: 1),
                    part: SignallingPart(number, of: count),
                    limits: limits
                ),
                on: eventLoops[number]
            )
        }
        for loop in loops { loop.meet(loops) }
        let trees = try await makeTrees(at: loops)
        let startedAt = NIODeadline.now()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for (number, loop) in loops.enumerated() {
                let viewers = (0..<2 * joins / count).map { viewer in
                    let tree = way == .apart ? trees[number] : trees[viewer % trees.count]
                    return Viewer(id: "viewer-\(number)-\(viewer)", tree: tree)
                }
                tasks.addTask { try await loop.join(viewers).get() }
            }
            try await tasks.waitForAll()
        }
        let seconds = Double((NIODeadline.now() - startedAt).nanoseconds) / 1e9
        // They hold each other.
        for loop in loops { loop.meet([]) }
        return Double(2 * joins) / seconds
    }

    /// Two trees; of two loops each has one.
    private static func makeTrees(at loops: [FedLoop]) async throws -> [String] {
        var trees: [Int: String] = [:]
        var number = 0
        while trees.count < 2 {
            number += 1
            let tree = try await loops[0].makeTree("source-\(number)").get()
            let part = loops.count == 1 ? trees.count : Int(Slot(ofTree: tree).number) % loops.count
            if trees[part] == nil { trees[part] = tree }
        }
        return [trees[0], trees[1]].compactMap { $0 }
    }
}

struct Viewer: Sendable {
    let id: String
    let tree: String
}

extension SignallingSecurity {
    /// As the server has it.
    static let benchmark = {
        let key = SymmetricKey(size: .bits256)
        return SignallingSecurity(
            isStateKept: false,
            code: { message, purpose in
                Array(HMAC<SHA256>.authenticationCode(for: Array(purpose.utf8) + message, using: key))
            },
            isSignature: { _, _, _ in false },
            turnPassword: { _, _ in "" },
            access: { _ in Access() }
        )
    }()
}
