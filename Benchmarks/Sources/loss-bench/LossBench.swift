import Foundation
import LossyLink
import NIOCore
import WebRTC

/// One way throughput of a reliable, ordered channel through an emulated network that delays and loses.
///
///     loss-bench [--seconds S] [--loss PERCENT,PERCENT] [--delay MS,MS] [--size BYTES]
///
/// The delay is that of one direction. Prints one line for each pair of loss and delay.
@main
enum LossBench {
    struct Options {
        var seconds = 10.0
        var losses = [0.0, 1, 5]
        var delays = [25, 50]
        var size = 65_536

        init(_ arguments: [String]) {
            var rest = arguments[...]
            while let option = rest.popFirst() {
                let value = rest.popFirst() ?? ""
                let list = value.split(separator: ",").compactMap { Double($0) }
                switch option {
                case "--seconds": self.seconds = Double(value) ?? self.seconds
                case "--loss": self.losses = list
                case "--delay": self.delays = list.map { Int($0) }
                case "--size": self.size = Int(value) ?? self.size
                default: print("unknown option \(option)")
                }
            }
        }
    }

    static func main() async throws {
        let options = Options(Array(CommandLine.arguments.dropFirst()))
        for delay in options.delays {
            for loss in options.losses {
                let rate = try await Self.measure(loss: loss / 100, delay: delay, options)
                let figure = String(format: "%8.2f MB/s", rate / 1e6)
                print("\(figure)  loss \(loss) %, round trip \(2 * delay) ms, \(options.size)-byte messages")
            }
        }
    }

    /// Bytes a second, after as long a time to get going.
    private static func measure(loss: Double, delay: Int, _ options: Options) async throws -> Double {
        var configuration = WebRTCConfiguration()
        configuration.bindAddresses = ["127.0.0.1"]
        let (near, far) = (try await WebRTCTransport.bind(configuration), try await WebRTCTransport.bind(configuration))
        let conditions = PathConditions(delay: .milliseconds(Int64(delay)), loss: loss)
        let ports = (Int(near.localAddresses[0].port), Int(far.localAddresses[0].port))
        let link = try await LossyLink.open(between: ports, conditions) { Generator(state: UInt64($0.rawValue) + 7) }
        defer {
            link.close()
            near.close()
            far.close()
        }
        let doors = link.addresses.compactMap(\.port)
        let loop = near.eventLoop
        let flow = try await loop.submit { NIOLoopBound(try Flow(near, far, options.size), eventLoop: loop) }.get()
        try await loop.submit { try flow.value.connect(ports, doors) }.get()
        func received(after seconds: Double) async throws -> Int {
            let wait = TimeAmount.nanoseconds(Int64(seconds * 1e9))
            return try await loop.scheduleTask(in: wait) { flow.value.received }.futureResult.get()
        }
        let before = try await received(after: options.seconds)
        let begin = NIODeadline.now()
        let after = try await received(after: options.seconds)
        let seconds = Double((NIODeadline.now() - begin).nanoseconds) / 1e9
        return Double(after - before) / seconds
    }

    /// SplitMix64.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            self.state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = self.state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// A sender that always has something to send, and a receiver that counts. On the event loop.
    private final class Flow {
        private(set) var received = 0
        private let sender: PeerConnection
        private let receiver: PeerConnection
        private let message: ByteBuffer

        init(_ near: WebRTCTransport, _ far: WebRTCTransport, _ size: Int) throws {
            self.sender = try near.makePeerConnection()
            self.receiver = try far.makePeerConnection()
            self.message = ByteBuffer(repeating: 1, count: size)
        }

        func connect(_ ports: (Int, Int), _ doors: [Int]) throws {
            self.receiver.onDataChannel = { [unowned self] channel in
                channel.onMessage = { [unowned self] message, _ in self.received += message.readableBytes }
            }
            let channel = try self.sender.createDataChannel(label: "flow")
            channel.bufferedAmountLowThreshold = 1 << 20
            channel.onOpen = { [unowned self, unowned channel] in self.fill(channel) }
            channel.onBufferedAmountLow = { [unowned self, unowned channel] in self.fill(channel) }
            let offer = try self.sender.createOffer()
            try self.receiver.setRemoteDescription(Self.redirect(offer, from: ports.0, to: doors[1]))
            let answer = try self.receiver.createAnswer()
            try self.sender.setRemoteDescription(Self.redirect(answer, from: ports.1, to: doors[0]))
        }

        private func fill(_ channel: DataChannel) {
            while channel.readyState == .open, channel.bufferedAmount < 4 << 20 {
                do { try channel.send(self.message) } catch { return }
            }
        }

        /// The description, with the link's port in place of the peer's own.
        private static func redirect(_ description: SessionDescription, from: Int, to: Int) -> SessionDescription {
            let sdp = description.sdp.replacingOccurrences(of: " 127.0.0.1 \(from) ", with: " 127.0.0.1 \(to) ")
            return SessionDescription(type: description.type, sdp: sdp)
        }
    }
}
