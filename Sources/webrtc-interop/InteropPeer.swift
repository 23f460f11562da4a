import Foundation
import NIOCore
import WebRTC

/// One peer connection driven by JSON lines: commands on standard input, events on standard output.
///
/// Commands: `{"cmd":"create","label":…,"ordered":…}`, `{"cmd":"offer"}`,
/// `{"cmd":"remote","type":"offer"|"answer","sdp":…}` (an offer is answered), `{"cmd":"candidate","candidate":…}`,
/// `{"cmd":"send","label":…,"kind":"text"|"binary","text":…}` or with `"size"` and `"count"`, `{"cmd":"echo"}` (send
/// every message back), `{"cmd":"close-channel","label":…}`, `{"cmd":"close"}`.
///
/// Events: `echoing`, `description`, `state`, `ice`, `channel`, `open`, `message`, `low`, `closed`, `error`.
final class InteropPeer {
    struct Command: Decodable, Sendable {
        var cmd: String
        var label: String?
        var ordered: Bool?
        var type: String?
        var sdp: String?
        var candidate: String?
        var kind: String?
        var text: String?
        var size: Int?
        var count: Int?
    }

    struct Event: Encodable {
        var event: String
        var label: String?
        var type: String?
        var sdp: String?
        var state: String?
        var kind: String?
        var text: String?
        var size: Int?
        var reason: String?
        var ordered: Bool?
    }

    private let connection: PeerConnection
    private var channels: [String: DataChannel] = [:]
    private var echoes = false

    static func run() async throws {
        var configuration = WebRTCConfiguration()
        configuration.includeLoopbackCandidates = true
        let transport = try await WebRTCTransport.bind(configuration)
        let peer = try await transport.eventLoop.submit {
            NIOLoopBound(InteropPeer(try transport.makePeerConnection()), eventLoop: transport.eventLoop)
        }.get()
        for await line in Self.inputLines() {
            guard let command = try? JSONDecoder().decode(Command.self, from: Data(line.utf8)) else {
                Self.emit(Event(event: "error", reason: "not a command: \(line)"))
                continue
            }
            try await transport.eventLoop.submit { peer.value.perform(command) }.get()
        }
        try await transport.eventLoop.submit { peer.value.connection.close() }.get()
    }

    /// Lines of standard input. Reading blocks, so it has a thread of its own.
    private static func inputLines() -> AsyncStream<String> {
        AsyncStream { continuation in
            Thread.detachNewThread {
                while let line = readLine() { continuation.yield(line) }
                continuation.finish()
            }
        }
    }

    private init(_ connection: PeerConnection) {
        self.connection = connection
        connection.onConnectionStateChange = { [unowned connection] state in
            Self.emit(Event(event: "state", state: state.rawValue, reason: connection.closeReason))
        }
        connection.onICEConnectionStateChange = { Self.emit(Event(event: "ice", state: $0.rawValue)) }
        connection.onDataChannel = { [unowned self] channel in
            Self.emit(Event(event: "channel", label: channel.label, ordered: channel.ordered))
            self.adopt(channel)
        }
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
        case "create":
            var configuration = DataChannelConfiguration()
            configuration.ordered = command.ordered ?? true
            self.adopt(try self.connection.createDataChannel(label: command.label ?? "", configuration))
        case "offer":
            Self.emit(try self.connection.createOffer())
        case "remote":
            let isOffer = command.type == "offer"
            let description = SessionDescription(type: isOffer ? .offer : .answer, sdp: command.sdp ?? "")
            try self.connection.setRemoteDescription(description)
            if isOffer { Self.emit(try self.connection.createAnswer()) }
        case "candidate":
            try self.connection.addICECandidate(IceCandidate(candidate: command.candidate ?? ""))
        case "send":
            try self.send(command)
        case "echo":
            self.echoes = true
            Self.emit(Event(event: "echoing"))
        case "close-channel":
            self.channels[command.label ?? ""]?.close()
        case "close":
            self.connection.close()
        default:
            Self.emit(Event(event: "error", reason: "unknown command \(command.cmd)"))
        }
    }

    private func send(_ command: Command) throws {
        guard let channel = self.channels[command.label ?? ""] else {
            return Self.emit(Event(event: "error", label: command.label, reason: "no such channel"))
        }
        let kind: DataChannelMessageKind = command.kind == "text" ? .text : .binary
        for index in 0..<(command.count ?? 1) {
            if let text = command.text {
                try channel.send(ByteBuffer(string: text), as: kind)
            } else if let size = command.size {
                try channel.send(ByteBuffer(repeating: UInt8(truncatingIfNeeded: index), count: size), as: kind)
            }
        }
    }

    private func adopt(_ channel: DataChannel) {
        let label = channel.label
        self.channels[label] = channel
        channel.onOpen = { Self.emit(Event(event: "open", label: label)) }
        channel.onClose = { Self.emit(Event(event: "closed", label: label)) }
        channel.onError = { Self.emit(Event(event: "error", label: label, reason: "\($0)")) }
        channel.onBufferedAmountLow = { Self.emit(Event(event: "low", label: label)) }
        channel.onMessage = { [unowned self, unowned channel] message, kind in
            if self.echoes {
                do { try channel.send(message, as: kind) } catch {
                    Self.emit(Event(event: "error", reason: "\(error)"))
                }
            }
            let isShortText = kind == .text && message.readableBytes <= 1024
            Self.emit(
                Event(
                    event: "message",
                    label: label,
                    kind: kind == .text ? "text" : "binary",
                    text: isShortText ? String(buffer: message) : nil,
                    size: message.readableBytes
                )
            )
        }
    }

    private static func emit(_ description: SessionDescription) {
        Self.emit(Event(event: "description", type: description.type.rawValue, sdp: description.sdp))
    }

    private static func emit(_ event: Event) {
        guard var line = try? JSONEncoder().encode(event) else { return }
        line.append(UInt8(ascii: "\n"))
        FileHandle.standardOutput.write(line)
    }
}
