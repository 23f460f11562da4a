import CPoll
import Foundation
import NetworkEmulation
import TestSupport

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Two devices and the paths between them, on one thread.
final class PacketRelay {
    private let devices: [Int32]
    private var paths: [NetworkPath<[UInt8]>]
    private let start = ContinuousClock.now
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// Packets read from a device before the other one has its turn.
    private static let packetsAtOnce = 64

    init(_ options: EmulatorOptions) {
        self.devices = [options.near, options.far]
        self.paths = [options.forth, options.back].enumerated().map { index, conditions in
            NetworkPath(conditions, random: SeededGenerator(seed: options.seed &* 2 &+ UInt64(index)))
        }
        for device in self.devices { _ = fcntl(device, F_SETFL, fcntl(device, F_GETFL) | O_NONBLOCK) }
    }

    /// Runs until standard input ends.
    func run() throws {
        while true {
            var waiting = (self.devices + [0]).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            self.wait(&waiting)
            for side in 0..<2 where waiting[side].revents != 0 { self.read(side) }
            self.deliver()
            if waiting[2].revents != 0 {
                guard readLine() != nil else { return }
                self.report()
            }
        }
    }

    private var now: Duration { ContinuousClock.now - self.start }

    /// Sleeps until something can be read or has arrived.
    private func wait(_ waiting: inout [pollfd]) {
        let due = self.paths.compactMap(\.deadline).min()
        let rest = due.map { max(0, ($0 - self.now).inNanoseconds) } ?? 1_000_000_000
        #if os(Linux)
        _ = pt_poll(&waiting, UInt32(waiting.count), rest)
        #else
        // There is no TUN here to be in time for.
        _ = poll(&waiting, nfds_t(waiting.count), Int32(rest / 1_000_000))
        #endif
    }

    private func read(_ side: Int) {
        for _ in 0..<Self.packetsAtOnce {
            let count = Foundation.read(self.devices[side], &self.buffer, self.buffer.count)
            guard count > 0 else { return }
            self.paths[side].handle(Array(self.buffer[..<count]), size: count, at: self.now)
        }
    }

    private func deliver() {
        let now = self.now
        for side in 0..<2 {
            while let packet = self.paths[side].nextOutput(at: now) {
                // A device that is down, or full, loses it.
                _ = packet.withUnsafeBytes { write(self.devices[1 - side], $0.baseAddress, $0.count) }
            }
        }
    }

    private func report() {
        let statistics = self.paths[0].statistics
        let back = self.paths[1].statistics
        let fields: [(String, Int64)] = [
            ("delivered", Int64(statistics.delivered)), ("deliveredBytes", Int64(statistics.deliveredBytes)),
            ("overflowed", Int64(statistics.overflowed)), ("lost", Int64(statistics.lost)),
            ("queued", Int64(statistics.queued)), ("queueDelay", statistics.totalQueueDelay.inNanoseconds),
            ("longestQueueDelay", statistics.longestQueueDelay.inNanoseconds),
            ("backDelivered", Int64(back.delivered)), ("backLost", Int64(back.lost)),
        ]
        print("{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}")
        fflush(nil)
    }
}
