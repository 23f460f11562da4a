import Foundation
import NIOCore
import WebRTC

/// One peer connection of the NAT lab (`Tests/Nat`): driven by lines of JSON like `InteropPeer`, it tells what path it
/// found and sends numbered messages, of which the other end misses none.
///
/// Options: `--ice-server URL[,USERNAME,CREDENTIAL]` (repeatable), `--relay-only`, `--authorities FILE`.
///
/// Commands: `{"cmd":"offer"}`, `{"cmd":"remote","type":…,"sdp":…}` (an offer is answered), `{"cmd":"candidate",
/// "candidate":…}`, `{"cmd":"restart"}` (an offer of new ICE credentials), `{"cmd":"stream","interval":MILLISECONDS}`
/// (a numbered message again and again), `{"cmd":"fill"}` (numbered messages as fast as the channel takes them),
/// `{"cmd":"stop"}` (no more of them), `{"cmd":"count"}`, `{"cmd":"pair"}`, `{"cmd":"close"}`.
///
/// Events: `description`, `candidate`, `gathering`, `ice` and `state`, `open`, `received` (`count`; every hundredth, and
/// the one behind the last sent), `missing` (`expected`, `count`), `stopped` (`count`), `count` (`size`, bytes received),
/// `pair` (`local`, `remote`, their candidate types and addresses), `network`, `error`.
final class NATPeer: LineDrivenPeer {
    private let eventLoop: any EventLoop
    private var channel: DataChannel?
    private var sent = 0
    private var received = 0
    private var receivedBytes = 0
    private var isFilling = false
    private var stream: RepeatedTask?

    static func run(arguments: [String]) async throws {
        let transport = try await WebRTCTransport.bind(try Self.configuration(arguments))
        try await Self.serve(transport) { connection in
            _ = transport.observeNetworkChanges { change in
                emit(PeerEvent(event: "network", reason: "+\(change.added) -\(change.removed)"))
            }
            return NATPeer(connection, eventLoop: transport.eventLoop)
        }
    }

    private static func configuration(_ arguments: [String]) throws -> WebRTCConfiguration {
        var configuration = WebRTCConfiguration()
        configuration.includeLoopbackCandidates = false
        var rest = arguments[...]
        while let option = rest.popFirst() {
            switch option {
            case "--ice-server":
                let parts = (rest.popFirst() ?? "").split(separator: ",").map(String.init)
                guard let url = parts.first else { throw UsageError(option: option) }
                let hasUser = parts.count == 3
                configuration.iceServers.append(
                    ICEServer(urls: [url], username: hasUser ? parts[1] : nil, credential: hasUser ? parts[2] : nil)
                )
            case "--relay-only": configuration.iceTransportPolicy = .relay
            case "--authorities": configuration.turnCertificateAuthorities = rest.popFirst()
            default: throw UsageError(option: option)
            }
        }
        return configuration
    }

    private init(_ connection: PeerConnection, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        super.init(connection)
        connection.onICECandidate = { emit(PeerEvent(event: "candidate", candidate: $0.candidate)) }
        connection.onICEGatheringStateChange = { emit(PeerEvent(event: "gathering", state: $0.rawValue)) }
        connection.onDataChannel = { [unowned self] channel in
            self.adopt(channel)
            emit(PeerEvent(event: "open"))
        }
    }

    private func adopt(_ channel: DataChannel) {
        self.channel = channel
        channel.onOpen = { emit(PeerEvent(event: "open")) }
        channel.onError = { emit(PeerEvent(event: "error", reason: "\($0)")) }
        channel.onMessage = { [unowned self] message, _ in self.receive(message) }
        channel.bufferedAmountLowThreshold = Self.fillMark / 2
        channel.onBufferedAmountLow = { [unowned self] in self.fill() }
    }

    private static let fillMark = 1 << 20

    private func receive(_ message: ByteBuffer) {
        var message = message
        self.receivedBytes += message.readableBytes
        guard let number = message.readInteger(as: Int.self) else { return }
        let isLast = message.readInteger(as: UInt8.self) == 1
        if number != self.received {
            emit(PeerEvent(event: "missing", count: number, expected: self.received))
        }
        self.received = number + 1
        if isLast || self.received % 100 == 0 { emit(PeerEvent(event: "received", count: self.received)) }
    }

    override func execute(_ command: Command) throws {
        switch command.cmd {
        case "offer":
            self.adopt(try self.connection.createDataChannel(label: "numbers", DataChannelConfiguration()))
            emit(try self.connection.createOffer())
        case "restart":
            emit(try self.connection.createOffer(iceRestart: true))
        case "stream":
            self.startStream(.milliseconds(command.interval ?? 10))
        case "fill":
            self.isFilling = true
            self.fill()
        case "count":
            emit(PeerEvent(event: "count", size: self.receivedBytes))
        case "stop":
            self.stream?.cancel()
            self.isFilling = false
            try self.sendNumber(isLast: true)
            emit(PeerEvent(event: "stopped", count: self.sent))
        case "pair":
            self.emitPair()
        default:
            try super.execute(command)
        }
    }

    private func startStream(_ interval: TimeAmount) {
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.stream = self.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            do {
                try bound.value.sendNumber(isLast: false)
            } catch {
                emit(PeerEvent(event: "error", reason: "\(error)"))
            }
        }
    }

    private func fill() {
        guard self.isFilling, let channel = self.channel else { return }
        do {
            while channel.readyState == .open, channel.bufferedAmount < Self.fillMark {
                try self.sendNumber(isLast: false, size: 16_384)
            }
        } catch {
            emit(PeerEvent(event: "error", reason: "\(error)"))
        }
    }

    private func sendNumber(isLast: Bool, size: Int = 1009) throws {
        var message = ByteBuffer(integer: self.sent)
        message.writeInteger(isLast ? 1 : 0, as: UInt8.self)
        message.writeRepeatingByte(7, count: size - message.readableBytes)
        try self.channel?.send(message, as: .binary)
        self.sent += 1
    }

    private func emitPair() {
        guard let pair = self.connection.selectedCandidatePair else {
            return emit(PeerEvent(event: "pair", reason: "none"))
        }
        var event = PeerEvent(event: "pair", local: pair.local.type.rawValue, remote: pair.remote.type.rawValue)
        event.localAddress = pair.local.address.description
        event.remoteAddress = pair.remote.address.description
        emit(event)
    }

    private struct UsageError: Error, CustomStringConvertible {
        var option: String
        var description: String { "'\(option)' is no option of nat-peer, or lacks its value" }
    }
}
