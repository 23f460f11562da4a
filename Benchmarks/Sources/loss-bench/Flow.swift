import Foundation
import NIOCore
import WebRTC

/// A sender, and a receiver that counts. On the event loop.
final class Flow {
    /// Bytes of messages since `reset`.
    private(set) var received = 0
    /// From `send` to `onMessage`, in milliseconds.
    private(set) var latencies: [Double] = []
    private let sender: PeerConnection
    private let receiver: PeerConnection
    private let isPaced: Bool
    private let datagramSize: Int
    private let loop: any EventLoop

    private static let largeMessage = ByteBuffer(repeating: 1, count: 65_536)
    private static let pacedSize = 10_000
    private static let interval = TimeAmount.nanoseconds(1_000_000_000 / 30)

    init(_ near: WebRTCTransport, _ far: WebRTCTransport, datagramSize: Int, isPaced: Bool) throws {
        self.sender = try near.makePeerConnection()
        self.receiver = try far.makePeerConnection()
        self.isPaced = isPaced
        self.datagramSize = datagramSize
        self.loop = near.eventLoop
    }

    func reset() {
        self.received = 0
        self.latencies = []
    }

    /// Bytes of messages for each byte on the wire, with the headers of IPv4 and UDP: full datagrams, one DATA chunk each.
    var payloadShare: Double? {
        self.sender.getStats().sctpTransport.map { Double($0.mtu - 16) / Double(self.datagramSize + 28) }
    }

    func connect(_ ports: (Int, Int), _ doors: [Int]) throws {
        self.receiver.onDataChannel = { [weak self] channel in
            channel.onMessage = { message, _ in self?.receive(message) }
        }
        let channel = try self.sender.createDataChannel(label: "flow")
        channel.bufferedAmountLowThreshold = 1 << 20
        if self.isPaced {
            channel.onOpen = { [weak self, unowned channel] in self?.pace(channel, at: .now()) }
        } else {
            channel.onOpen = { [unowned channel] in Self.fill(channel) }
            channel.onBufferedAmountLow = { [unowned channel] in Self.fill(channel) }
        }
        let offer = try self.sender.createOffer()
        try self.receiver.setRemoteDescription(Self.redirect(offer, from: ports.0, to: doors[1]))
        let answer = try self.receiver.createAnswer()
        try self.sender.setRemoteDescription(Self.redirect(answer, from: ports.1, to: doors[0]))
    }

    private func receive(_ message: ByteBuffer) {
        self.received += message.readableBytes
        guard self.isPaced, let sent = message.getInteger(at: message.readerIndex, as: UInt64.self) else { return }
        self.latencies.append(Double(NIODeadline.now().uptimeNanoseconds - sent) / 1e6)
    }

    private static func fill(_ channel: DataChannel) {
        while channel.readyState == .open, channel.bufferedAmount < 4 << 20 {
            do { try channel.send(Self.largeMessage) } catch { return }
        }
    }

    /// Sends a message at this time, and so on. A late one does not delay those behind it.
    private func pace(_ channel: DataChannel, at time: NIODeadline) {
        self.loop.assumeIsolated().scheduleTask(deadline: time) { [weak self, weak channel] in
            guard let self, let channel, channel.readyState == .open else { return }
            var message = ByteBuffer(integer: time.uptimeNanoseconds)
            message.writeRepeatingByte(1, count: Self.pacedSize - message.readableBytes)
            try? channel.send(message)
            self.pace(channel, at: time + Self.interval)
        }
    }

    /// The description, with the link's port in place of the peer's own.
    private static func redirect(_ description: SessionDescription, from: Int, to: Int) -> SessionDescription {
        let sdp = description.sdp.replacingOccurrences(of: " 127.0.0.1 \(from) ", with: " 127.0.0.1 \(to) ")
        return SessionDescription(type: description.type, sdp: sdp)
    }
}
