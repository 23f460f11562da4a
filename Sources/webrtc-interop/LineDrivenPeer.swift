import Foundation
import NIOCore
import WebRTC

/// A peer connection that lines of JSON on standard input drive, and that tells what happens by lines on standard
/// output. On the transport's event loop.
///
/// Commands of every such peer: `{"cmd":"remote","type":"offer"|"answer","sdp":…}` (an offer is answered at once),
/// `{"cmd":"candidate","candidate":…}`, `{"cmd":"close"}`. Events: `description` (`type`, `sdp`), `state` and `ice`
/// (`state`), `error` (`reason`).
class LineDrivenPeer {
    /// A command; which members count depends on `cmd`.
    struct Command: Decodable, Sendable {
        var cmd: String
        var type: String?
        var sdp: String?
        var candidate: String?
        // Of `InteropPeer`.
        var label: String?
        var ordered: Bool?
        var maxRetransmits: UInt16?
        var maxPacketLifeTime: UInt16?
        var `protocol`: String?
        var kind: String?
        var text: String?
        var size: Int?
        var seed: Int?
        var count: Int?
        // Of `NATPeer`.
        var interval: Int64?
    }

    let connection: PeerConnection

    init(_ connection: PeerConnection) {
        self.connection = connection
        connection.onConnectionStateChange = { [unowned connection] state in
            emit(PeerEvent(event: "state", state: state.rawValue, reason: connection.closeReason))
        }
        connection.onICEConnectionStateChange = { emit(PeerEvent(event: "ice", state: $0.rawValue)) }
    }

    /// Obeys the commands on standard input until it ends, then closes the connection.
    static func serve(
        _ transport: WebRTCTransport,
        _ make: @escaping @Sendable (PeerConnection) -> LineDrivenPeer
    ) async throws {
        let peer = try await transport.eventLoop.submit {
            NIOLoopBound(make(try transport.makePeerConnection()), eventLoop: transport.eventLoop)
        }.get()
        for await line in Self.inputLines() {
            guard let command = try? JSONDecoder().decode(Command.self, from: Data(line.utf8)) else {
                emit(PeerEvent(event: "error", reason: "not a command: \(line)"))
                continue
            }
            try await transport.eventLoop.submit { peer.value.perform(command) }.get()
        }
        try await transport.eventLoop.submit { peer.value.connection.close() }.get()
        transport.close()
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

    private func perform(_ command: Command) {
        do {
            try self.execute(command)
        } catch {
            emit(PeerEvent(event: "error", reason: "\(error)"))
        }
    }

    /// Obeys a command. Subclasses handle their own and leave the others to this.
    func execute(_ command: Command) throws {
        switch command.cmd {
        case "remote":
            let isOffer = command.type == "offer"
            let description = SessionDescription(type: isOffer ? .offer : .answer, sdp: command.sdp ?? "")
            try self.connection.setRemoteDescription(description)
            if isOffer { emit(try self.connection.createAnswer()) }
        case "candidate":
            try self.connection.addICECandidate(IceCandidate(candidate: command.candidate ?? ""))
        case "close":
            self.connection.close()
        default:
            emit(PeerEvent(event: "error", reason: "unknown command \(command.cmd)"))
        }
    }
}

/// What a peer tells; which members are there depends on `event`.
struct PeerEvent: Encodable {
    var event: String
    var label: String?
    var ordered: Bool?
    var maxRetransmits: UInt16?
    var maxPacketLifeTime: UInt16?
    var `protocol`: String?
    var type: String?
    var sdp: String?
    var candidate: String?
    var state: String?
    var kind: String?
    var text: String?
    var size: Int?
    var checksum: UInt32?
    var reason: String?
    var count: Int?
    var expected: Int?
    var local: String?
    var remote: String?
    var localAddress: String?
    var remoteAddress: String?
}

func emit(_ description: SessionDescription) {
    emit(PeerEvent(event: "description", type: description.type.rawValue, sdp: description.sdp))
}

func emit(_ event: PeerEvent) {
    guard var line = try? JSONEncoder().encode(event) else { return }
    line.append(UInt8(ascii: "\n"))
    FileHandle.standardOutput.write(line)
}
