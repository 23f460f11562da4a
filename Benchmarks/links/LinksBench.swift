import NIOCore
import NIOPosix
import NodeLinks

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Two nodes over TLS on loopback, each on an event loop of its own: how long a frame takes there and back, and how many go
/// one way.
///
/// `links-bench [BYTES] [FRAMES] [ROUNDS]`: of each payload (100), of each round (400,000; a tenth for there and back), and how
/// often both are measured (5).
@main
struct LinksBench {
    static func main() async throws {
        let numbers = CommandLine.arguments.dropFirst().map { Int($0) }
        guard numbers.count <= 3, numbers.allSatisfy({ $0 ?? 0 > 0 }) else {
            print("Usage: links-bench [BYTES] [FRAMES] [ROUNDS], three numbers from 1")
            return
        }
        func number(_ index: Int, _ other: Int) -> Int { numbers.dropFirst(index).first.flatMap { $0 } ?? other }
        let (bytes, frames, rounds) = (number(0, 100), number(1, 400_000), number(2, 5))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let loops = Array(group.makeIterator())
        let (a, b) = (try BenchNode("a", on: loops[0]), try BenchNode("b", on: loops[1]))
        try await a.link(b)
        try await b.link(a)
        for node in [a, b] { await node.waitForSession() }
        let payload = ByteBuffer(repeating: 7, count: bytes)
        for round in 1...rounds {
            let pairs = max(1, frames / 10)
            let roundTrips = try await a.pingPong(payload, count: pairs, with: b).sorted()
            let cpu = CPUTime.now
            let began = NIODeadline.now()
            try await a.stream(payload, count: frames, to: b)
            let seconds = Double((NIODeadline.now() - began).nanoseconds) / 1e9
            let cost = (CPUTime.now - cpu) / Double(frames) * 1e6
            print(
                "round \(round): there and back \(roundTrips[roundTrips.count / 2] / 1_000) us (median), "
                    + "\(roundTrips[roundTrips.count * 99 / 100] / 1_000) us (99 of 100); one way "
                    + "\(Int(Double(frames) / seconds)) frames a second, \((cost * 100).rounded() / 100) us of CPU a frame, "
                    + "both ends together"
            )
        }
        await a.close()
        await b.close()
        try await group.shutdownGracefully()
    }
}

/// Of the process, in seconds.
enum CPUTime {
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
