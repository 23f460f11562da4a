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
/// (a numbered message again and again), `{"cmd":"stop"}` (no more of them), `{"cmd":"pair"}`, `{"cmd":"close"}`.
///
/// Events: `description`, `candidate`, `gathering`, `ice` and `state`, `open`, `received` (`count`; every hundredth, and
/// the one behind the last sent), `missing` (`expected`, `count`), `stopped` (`count`), `pair` (`local`, `remote`, their
/// candidate types and addresses), `network`, `error`.
final class NATPeer {
    struct Command: Decodable, Sendable {
        var cmd: String
        var type: String?
        var sdp: String?
        var candidate: String?
        var interval: Int64?
    }

    struct Event: Encodable {
        var event: String
        var type: String?
        var sdp: String?
        var candidate: String?
        var state: String?
        var reason: String?
        var count: Int?
        var expected: Int?
        var local: String?
        var remote: String?
        var localAddress: String?
        var remoteAddress: String?
    }

    private let connection: PeerConnection
    private let eventLoop: any EventLoop
    private var channel: DataChannel?
    private var sent = 0
    private var received = 0
    private var stream: RepeatedTask?

    static func run(arguments: [String]) async throws {
        let transport = try await WebRTCTransport.bind(try Self.configuration(arguments))
        let peer = try await transport.eventLoop.submit {
            let peer = NATPeer(try transport.makePeerConnection(), eventLoop: transport.eventLoop)
            _ = transport.observeNetworkChanges { change in
                Self.emit(Event(event: "network", reason: "+\(change.added) -\(change.removed)"))
            }
            return NIOLoopBound(peer, eventLoop: transport.eventLoop)
        }.get()
        for await line in Self.inputLines() {
            guard let command = try? JSONDecoder().decode(Command.self, from: Data(line.utf8)) else {
                Self.emit(Event(event: "error", reason: "not a command: \(line)"))
                continue
            }
            try await transport.eventLoop.submit { peer.value.perform(command) }.get()
        }
        try await transport.eventLoop.submit { peer.value.connection.close() }.get()
        transport.close()
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

    private static func inputLines() -> AsyncStream<String> {
        AsyncStream { continuation in
            Thread.detachNewThread {
                while let line = readLine() { continuation.yield(line) }
                continuation.finish()
            }
        }
    }

    private init(_ connection: PeerConnection, eventLoop: any EventLoop) {
        self.connection = connection
        self.eventLoop = eventLoop
        connection.onICECandidate = { Self.emit(Event(event: "candidate", candidate: $0.candidate)) }
        connection.onICEGatheringStateChange = { Self.emit(Event(event: "gathering", state: $0.rawValue)) }
        connection.onICEConnectionStateChange = { Self.emit(Event(event: "ice", state: $0.rawValue)) }
        connection.onConnectionStateChange = { [unowned connection] state in
            Self.emit(Event(event: "state", state: state.rawValue, reason: connection.closeReason))
        }
        connection.onDataChannel = { [unowned self] channel in
            self.adopt(channel)
            Self.emit(Event(event: "open"))
        }
    }

    private func adopt(_ channel: DataChannel) {
        self.channel = channel
        channel.onOpen = { Self.emit(Event(event: "open")) }
        channel.onError = { Self.emit(Event(event: "error", reason: "\($0)")) }
        channel.onMessage = { [unowned self] message, _ in self.receive(message) }
    }

    private func receive(_ message: ByteBuffer) {
        var message = message
        guard let number = message.readInteger(as: Int.self) else { return }
        let isLast = message.readInteger(as: UInt8.self) == 1
        if number != self.received {
            Self.emit(Event(event: "missing", count: number, expected: self.received))
        }
        self.received = number + 1
        if isLast || self.received % 100 == 0 { Self.emit(Event(event: "received", count: self.received)) }
    }

    private func perform(_ command: Command) {
        do {
            try self.execute(command)
        } catch {
            Self.emit(Event(event: "error", reason: "\(error)"))
        }
    }

    private func execute(_ command: Command) throws {
        switch command.cmd {
        case "offer":
            self.adopt(try self.connection.createDataChannel(label: "numbers", DataChannelConfiguration()))
            Self.emit(try self.connection.createOffer())
        case "restart":
            Self.emit(try self.connection.createOffer(iceRestart: true))
        case "remote":
            let isOffer = command.type == "offer"
            let description = SessionDescription(type: isOffer ? .offer : .answer, sdp: command.sdp ?? "")
            try self.connection.setRemoteDescription(description)
            if isOffer { Self.emit(try self.connection.createAnswer()) }
        case "candidate":
            try self.connection.addICECandidate(IceCandidate(candidate: command.candidate ?? ""))
        case "stream":
            self.startStream(.milliseconds(command.interval ?? 10))
        case "stop":
            self.stream?.cancel()
            try self.sendNumber(isLast: true)
            Self.emit(Event(event: "stopped", count: self.sent))
        case "pair":
            self.emitPair()
        case "close":
            self.connection.close()
        default:
            Self.emit(Event(event: "error", reason: "unknown command \(command.cmd)"))
        }
    }

    private func startStream(_ interval: TimeAmount) {
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.stream = self.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            do {
                try bound.value.sendNumber(isLast: false)
            } catch {
                Self.emit(Event(event: "error", reason: "\(error)"))
            }
        }
    }

    private func sendNumber(isLast: Bool) throws {
        var message = ByteBuffer(integer: self.sent)
        message.writeInteger(isLast ? 1 : 0, as: UInt8.self)
        message.writeRepeatingByte(7, count: 1000)
        try self.channel?.send(message, as: .binary)
        self.sent += 1
    }

    private func emitPair() {
        guard let pair = self.connection.selectedCandidatePair else {
            return Self.emit(Event(event: "pair", reason: "none"))
        }
        var event = Event(event: "pair", local: pair.local.type.rawValue, remote: pair.remote.type.rawValue)
        event.localAddress = pair.local.address.description
        event.remoteAddress = pair.remote.address.description
        Self.emit(event)
    }

    private static func emit(_ description: SessionDescription) {
        Self.emit(Event(event: "description", type: description.type.rawValue, sdp: description.sdp))
    }

    private static func emit(_ event: Event) {
        guard var line = try? JSONEncoder().encode(event) else { return }
        line.append(UInt8(ascii: "\n"))
        FileHandle.standardOutput.write(line)
    }

    private struct UsageError: Error, CustomStringConvertible {
        var option: String
        var description: String { "'\(option)' is no option of nat-peer, or lacks its value" }
    }
}
