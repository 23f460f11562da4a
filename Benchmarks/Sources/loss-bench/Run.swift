import Foundation
import LossyLink
import NIOCore
import NetworkEmulation
import TestSupport
import WebRTC

/// One measurement of the transport in real time, after as long a time to get going.
enum Run {
    static func measure(_ path: Path, _ workload: Workload, seconds: Double) async throws -> Figures {
        var configuration = WebRTCConfiguration()
        configuration.bindAddresses = ["127.0.0.1"]
        let near = try await WebRTCTransport.bind(configuration)
        var far: [WebRTCTransport] = []
        for _ in 0..<workload.flows { far.append(try await WebRTCTransport.bind(configuration)) }
        let port = Int(near.localAddresses[0].port)
        let pairs = far.map { (port, Int($0.localAddresses[0].port)) }
        let link = try await LossyLink.open(between: pairs, path.forth, path.back) {
            SeededGenerator(seed: UInt64($0.rawValue) + 7)
        }
        defer {
            link.close()
            for transport in [near] + far { transport.close() }
        }
        let doors = link.doors.map { $0.compactMap(\.port) }
        let loop = near.eventLoop
        let size = configuration.maximumDatagramSize
        let flows = try await loop.submit { [far] in
            let flows = try far.map { try Flow(near, $0, datagramSize: size, isPaced: workload.isPaced) }
            for (index, flow) in flows.enumerated() { try flow.connect(pairs[index], doors[index]) }
            return NIOLoopBound(flows, eventLoop: loop)
        }.get()
        let wait = TimeAmount.nanoseconds(Int64(seconds * 1e9))
        try await loop.scheduleTask(in: wait) { for flow in flows.value { flow.reset() } }.futureResult.get()
        let before = try await link.statistics()[0]
        let begin = NIODeadline.now()
        try await loop.scheduleTask(in: wait) {}.futureResult.get()
        let after = try await link.statistics()[0]
        let queued = max(1, after.queued - before.queued)
        return try await loop.submit {
            let elapsed = Double((NIODeadline.now() - begin).nanoseconds) / 1e9
            let share = flows.value.compactMap(\.payloadShare).max() ?? 1
            return Figures(
                rates: flows.value.map { Double($0.received) / elapsed },
                ceiling: path.rate * 1e6 / 8 * (1 - path.loss / 100) * share,
                meanQueueDelay: (after.totalQueueDelay - before.totalQueueDelay) / queued,
                longestQueueDelay: after.longestQueueDelay,
                latencies: flows.value.flatMap(\.latencies).sorted()
            )
        }.get()
    }
}
