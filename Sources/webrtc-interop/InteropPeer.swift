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
final class InteropPeer: LineDrivenPeer {
    private var channels: [String: DataChannel] = [:]

    static func run() async throws {
        var configuration = WebRTCConfiguration()
        configuration.includeLoopbackCandidates = true
        configuration.maximumDataChannels = 1_024
        try await Self.serve(try await WebRTCTransport.bind(configuration)) { InteropPeer($0) }
    }

    private override init(_ connection: PeerConnection) {
        super.init(connection)
        connection.onDataChannel = { [unowned self] channel in
            var event = PeerEvent(event: "channel", label: channel.label, ordered: channel.ordered)
            event.protocol = channel.subprotocol
            switch channel.reliability {
            case .reliable: break
            case .maxRetransmits(let count): event.maxRetransmits = count
            case .maxPacketLifeTime(let milliseconds): event.maxPacketLifeTime = milliseconds
            }
            emit(event)
            self.adopt(channel)
        }
    }

    override func execute(_ command: Command) throws {
        switch command.cmd {
        case "create": try self.create(command)
        case "offer": emit(try self.connection.createOffer())
        case "send": try self.send(command)
        case "close-channel": self.channels[command.label ?? ""]?.close()
        default: try super.execute(command)
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
            return emit(PeerEvent(event: "error", label: command.label, reason: "no such channel"))
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
        channel.onOpen = { emit(PeerEvent(event: "open", label: label)) }
        channel.onClose = { emit(PeerEvent(event: "closed", label: label)) }
        channel.onError = { emit(PeerEvent(event: "error", label: label, reason: "\($0)")) }
        channel.onBufferedAmountLow = { emit(PeerEvent(event: "low", label: label)) }
        channel.onMessage = { message, kind in
            let isShortText = kind == .text && message.readableBytes <= 1024
            var event = PeerEvent(event: "message", label: label, kind: kind == .text ? "text" : "binary")
            event.text = isShortText ? String(buffer: message) : nil
            event.size = message.readableBytes
            event.checksum = Self.checksum(message)
            emit(event)
        }
    }

    private static func checksum(_ message: ByteBuffer) -> UInt32 {
        message.readableBytesView.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }
}
