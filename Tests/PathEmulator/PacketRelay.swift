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

/// Devices and the paths between them, on one thread.
final class PacketRelay {
    private let devices: [Int32]
    /// From each device to each, those of a device one after the other.
    private var paths: [NetworkPath<[UInt8]>]
    private let start = ContinuousClock.now
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// Packets read from a device before the other one has its turn.
    private static let packetsAtOnce = 64

    init(_ options: EmulatorOptions) {
        self.devices = options.devices
        let count = options.devices.count
        self.paths = (0..<count * count).map { index in
            let random = SeededGenerator(seed: options.seed &* UInt64(count * count) &+ UInt64(index))
            return NetworkPath(index < count ? options.forth : options.back, random: random)
        }
        for device in self.devices { _ = fcntl(device, F_SETFL, fcntl(device, F_GETFL) | O_NONBLOCK) }
    }

    /// Runs until standard input ends.
    func run() throws {
        while true {
            var waiting = (self.devices + [0]).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            self.wait(&waiting)
            for device in self.devices.indices where waiting[device].revents != 0 { self.read(device) }
            self.deliver()
            if waiting[self.devices.count].revents != 0 {
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

    private func read(_ device: Int) {
        for _ in 0..<Self.packetsAtOnce {
            let count = Foundation.read(self.devices[device], &self.buffer, self.buffer.count)
            guard count > 0 else { return }
            guard let target = self.destination(count) else { continue }
            let path = device * self.devices.count + target
            self.paths[path].handle(Array(self.buffer[..<count]), size: count, at: self.now)
        }
    }

    /// The device that the packet in the buffer goes to.
    private func destination(_ count: Int) -> Int? {
        guard count >= Self.ipv4HeaderLength, self.buffer[0] >> 4 == 4 else { return nil }
        let device = Int(self.buffer[Self.ipv4HeaderLength - 1]) - 1
        return self.devices.indices.contains(device) ? device : nil
    }

    private static let ipv4HeaderLength = 20

    private func deliver() {
        let now = self.now
        for path in self.paths.indices {
            while let packet = self.paths[path].nextOutput(at: now) {
                // A device that is down, or full, loses it.
                let device = self.devices[path % self.devices.count]
                _ = packet.withUnsafeBytes { write(device, $0.baseAddress, $0.count) }
            }
        }
    }

    private func report() {
        let forth = self.paths[..<self.devices.count].map(\.statistics)
        let back = self.paths[self.devices.count...].map(\.statistics)
        func sum(_ paths: [PathStatistics], _ value: (PathStatistics) -> Int) -> Int64 {
            paths.reduce(0) { $0 + Int64(value($1)) }
        }
        let fields: [(String, Int64)] = [
            ("delivered", sum(forth, \.delivered)), ("deliveredBytes", sum(forth, \.deliveredBytes)),
            ("overflowed", sum(forth, \.overflowed)), ("lost", sum(forth, \.lost)), ("queued", sum(forth, \.queued)),
            ("queueDelay", forth.reduce(0) { $0 + $1.totalQueueDelay.inNanoseconds }),
            ("longestQueueDelay", forth.map(\.longestQueueDelay.inNanoseconds).max() ?? 0),
            ("backDelivered", sum(back, \.delivered)), ("backLost", sum(back, \.lost)),
        ]
        print("{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}")
        fflush(nil)
    }
}
