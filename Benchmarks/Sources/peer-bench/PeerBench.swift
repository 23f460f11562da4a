import Foundation
import Measuring
import PeerTreeCore

/// `peer-bench [CHUNKS]`: what a relay's core costs, without sockets: processor time a chunk, and memory a peer.
@main
struct PeerBench {
    static func main() throws {
        let chunks = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 60_000
        try report("memory of a peer", String(format: "%8.0f bytes", bytesOfPeer()))
        for policy in [StreamPolicy.paced, .live] {
            for children in [1, 4, 10] {
                let time = try nanosecondsOfChunk(policy, children: children, chunks: chunks)
                report("\(policy) to \(children)", String(format: "%8.0f ns a chunk", time))
            }
        }
    }

    private static func configuration(_ policy: StreamPolicy) -> PeerConfiguration {
        var configuration = PeerConfiguration()
        configuration.policy = policy
        // Nobody but the source says anything.
        configuration.silenceTimeout = .seconds(100_000)
        return configuration
    }

    /// Processor time of a relay for every chunk that it takes in and passes on to all children.
    private static func nanosecondsOfChunk(_ policy: StreamPolicy, children: Int, chunks: Int) throws -> Double {
        let configuration = configuration(policy)
        var source = Source(configuration)
        var relay = Relay(below: &source, configuration, children: children)
        let frames = try source.write(chunks)
        let begin = clock()
        for frame in frames { relay.pass(frame) }
        let time = Double(clock() - begin) / Double(CLOCKS_PER_SEC)
        guard relay.bytesSent > frames.count * children * Relay.payload.count else {
            throw BenchError.notPassedOn(bytes: relay.bytesSent)
        }
        return time * 1e9 / Double(frames.count)
    }

    /// What a peer with four children holds once 4,000 chunks have passed, beside the chunks themselves, which all peers
    /// of this process share.
    private static func bytesOfPeer() throws -> Double {
        let configuration = configuration(.paced)
        var source = Source(configuration)
        let first = Relay(below: &source, configuration, children: 4)
        let frames = try source.write(4000)
        var relays = [first]
        var sources = (0..<200).map { _ in Source(configuration) }
        let before = residentBytes()
        for index in sources.indices {
            var relay = Relay(below: &sources[index], configuration, children: 4)
            for frame in frames { relay.pass(frame) }
            relays.append(relay)
        }
        let bytes = residentBytes() - before
        guard relays.dropFirst().allSatisfy({ $0.peer.counters.chunksReceived >= 4000 }) else {
            throw BenchError.notPassedOn(bytes: 0)
        }
        return Double(bytes) / Double(sources.count)
    }
}

/// The relay did not do what is measured.
enum BenchError: Error {
    case notPassedOn(bytes: Int)
}
