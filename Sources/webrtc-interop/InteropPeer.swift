import Foundation
import NIOCore
import WebRTC

/// One peer connection driven by lines of JSON: commands on standard input, events on standard output. The peers of
/// other stacks in `Tests/Interop` obey and tell the same.
///
/// Commands:
/// - `{"cmd":"create","label":…}`, if wanted with `ordered`, `maxRetransmits`, `maxPacketLifeTime` (milliseconds) and
///   `protocol` of `RTCDataChannelInit`
/// - `{"cmd":"offer"}`, and `{"cmd":"remote","type":"offer"|"answer","sdp":…}`; a remote offer is answered at once
/// - `{"cmd":"candidate","candidate":…}`
/// - `{"cmd":"send","label":…,"kind":"text"|"binary","count":…}` with `text`, in which `#` becomes the number of the
///   message, or with `size` and `seed`: byte i is (seed + i) mod 251
/// - `{"cmd":"close-channel","label":…}`, `{"cmd":"close"}`
///
/// Events: `description` (`type`, `sdp`), `state` and `ice` (`state`), `channel` (what the peer announced, in the words
/// of `create`), `open`, `closed` and `low` (`label`), `message` (`label`, `kind`, `size`, `checksum`, and `text` if it
/// is a short one), `error` (`reason`). The checksum is FNV-1a of 32 bits.
final class InteropPeer {
    struct Command: Decodable, Sendable {
        var cmd: String
        var label: String?
        var ordered: Bool?
        var maxRetransmits: UInt16?
        var maxPacketLifeTime: UInt16?
        var `protocol`: String?
        var type: String?
        var sdp: String?
        var candidate: String?
        var kind: String?
        var text: String?
        var size: Int?
        var seed: Int?
        var count: Int?
    }

    struct Event: Encodable {
        var event: String
        var label: String?
        var ordered: Bool?
        var maxRetransmits: UInt16?
        var maxPacketLifeTime: UInt16?
        var `protocol`: String?
        var type: String?
        var sdp: String?
        var state: String?
        var kind: String?
        var text: String?
        var size: Int?
        var checksum: UInt32?
        var reason: String?
    }

    private let connection: PeerConnection
    private var channels: [String: DataChannel] = [:]

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
            var event = Event(event: "channel", label: channel.label, ordered: channel.ordered)
            event.protocol = channel.subprotocol
            switch channel.reliability {
            case .reliable: break
            case .maxRetransmits(let count): event.maxRetransmits = count
            case .maxPacketLifeTime(let milliseconds): event.maxPacketLifeTime = milliseconds
            }
            Self.emit(event)
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
            try self.create(command)
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
        case "close-channel":
            self.channels[command.label ?? ""]?.close()
        case "close":
            self.connection.close()
        default:
            Self.emit(Event(event: "error", reason: "unknown command \(command.cmd)"))
        }
    }

    private func create(_ command: Command) throws {
        var configuration = DataChannelConfiguration()
        configuration.ordered = command.ordered ?? true
        configuration.subprotocol = command.protocol ?? ""
        if let count = command.maxRetransmits {
            configuration.reliability = .maxRetransmits(count)
        } else if let milliseconds = command.maxPacketLifeTime {
            configuration.reliability = .maxPacketLifeTime(milliseconds)
        }
        self.adopt(try self.connection.createDataChannel(label: command.label ?? "", configuration))
    }

    private func send(_ command: Command) throws {
        guard let channel = self.channels[command.label ?? ""] else {
            return Self.emit(Event(event: "error", label: command.label, reason: "no such channel"))
        }
        let kind: DataChannelMessageKind = command.kind == "text" ? .text : .binary
        for index in 0..<(command.count ?? 1) {
            if let text = command.text {
                let message = text.replacingOccurrences(of: "#", with: "\(index)")
                try channel.send(ByteBuffer(string: message), as: kind)
            } else if let size = command.size {
                let seed = command.seed ?? 0
                let bytes = (0..<size).lazy.map { UInt8(truncatingIfNeeded: (seed + $0) % 251) }
                try channel.send(ByteBuffer(bytes: bytes), as: kind)
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
        channel.onMessage = { message, kind in
            let isShortText = kind == .text && message.readableBytes <= 1024
            var event = Event(event: "message", label: label, kind: kind == .text ? "text" : "binary")
            event.text = isShortText ? String(buffer: message) : nil
            event.size = message.readableBytes
            event.checksum = Self.checksum(message)
            Self.emit(event)
        }
    }

    private static func checksum(_ message: ByteBuffer) -> UInt32 {
        message.readableBytesView.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
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
