import Foundation
import NIOCore
import TestSupport
import WebRTC

/// Writes real messages of this stack into a corpus: the start for a target, beside what other stacks wrote.
package enum CorpusRecorder {
    /// Records into the folders of `handshake`, `datagram`, `sctp`, `sdp`, `checks`, `stun` and `turn`.
    ///
    /// - Throws: when a file cannot be written, or no connection comes about.
    package static func record(into corpus: Corpus) async throws {
        let handshake = try Self.handshake()
        try Self.write(handshake, to: ["handshake", "datagram"], of: corpus)
        var random = SeededGenerator(seed: 1)
        let checks = (0..<8).map { number in
            let check = authenticRequest(
                from: &random,
                username: "abcdefgh:ijklmnop",
                password: "a password of 24 letters"
            )
            return (name: "check-\(number)", bytes: check)
        }
        try Self.write(checks, to: ["checks", "datagram", "stun"], of: corpus)
        try Self.write(Self.turn(), to: ["turn"], of: corpus)
        let (packets, descriptions) = try await Self.connection()
        try Self.write(packets, to: ["sctp"], of: corpus)
        try Self.write(descriptions, to: ["sdp"], of: corpus)
    }

    private static func write(_ inputs: [(name: String, bytes: [UInt8])], to targets: [String], of corpus: Corpus)
        throws
    {
        for target in targets {
            let folder = corpus.folder.appendingPathComponent(target)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for (name, bytes) in inputs { try Data(bytes).write(to: folder.appendingPathComponent(name)) }
        }
    }

    /// What a TURN server answers, channel data, and a stream of both.
    private static func turn() -> [(name: String, bytes: [UInt8])] {
        let messages = TURNProbe(random: SeededGenerator(seed: 1)).serverMessages
        let channelData: [UInt8] = [0x40, 0, 0, 5, 1, 2, 3, 4, 5]
        var stream: [UInt8] = []
        for message in messages.prefix(4) { stream += message + channelData + [0, 0, 0] }
        return messages.enumerated().map { (name: "message-\($0.offset)", bytes: $0.element) } + [
            (name: "channel-data", bytes: channelData), (name: "stream", bytes: stream),
        ]
    }

    /// Every datagram of a handshake, and one of data.
    private static func handshake() throws -> [(name: String, bytes: [UInt8])] {
        let probe = try HandshakeProbe()
        var datagrams: [[UInt8]] = []
        while !probe.isConnected, datagrams.count < 32 {
            for (toServer, flight) in [(true, probe.takeForServer()), (false, probe.takeForClient())] {
                datagrams += flight
                for datagram in flight { _ = probe.deliver(datagram, toServer: toServer) }
            }
        }
        _ = probe.send([1, 2, 3, 4], fromServer: false)
        datagrams += probe.takeForServer()
        return datagrams.enumerated().map { ("dtls-\($0.offset)", $0.element) }
    }

    /// The SCTP packets of the offerer, which opens channels of every kind, sends, and closes; and both descriptions.
    private static func connection() async throws -> (
        packets: [(name: String, bytes: [UInt8])], descriptions: [(name: String, bytes: [UInt8])]
    ) {
        var configuration = WebRTCConfiguration()
        configuration.bindAddresses = ["127.0.0.1"]
        let transport = try await WebRTCTransport.bind(configuration)
        defer { transport.close() }
        let recording = try await transport.eventLoop.submit {
            NIOLoopBound(try Recording(transport), eventLoop: transport.eventLoop)
        }.get()
        try await transport.eventLoop.flatSubmit { recording.value.finished.futureResult }.get()
        return try await transport.eventLoop.submit { (recording.value.packets, recording.value.descriptions) }.get()
    }

    private final class Recording {
        let finished: EventLoopPromise<Void>
        var packets: [(name: String, bytes: [UInt8])] = []
        var descriptions: [(name: String, bytes: [UInt8])] = []
        private let offerer: PeerConnection
        private let answerer: PeerConnection
        private var open = 0

        init(_ transport: WebRTCTransport) throws {
            self.finished = transport.eventLoop.makePromise()
            self.offerer = try transport.makePeerConnection()
            self.answerer = try transport.makePeerConnection()
            self.offerer.onConnectionStateChange = { [weak self] state in
                guard let self, state == .connected else { return }
                self.offerer.tapPlaintext { [weak self] packet in
                    guard let self else { return }
                    if self.packets.count < 64 { self.packets.append(("packet-\(self.packets.count)", packet)) }
                }
            }
            try self.createChannels()
            let offer = try self.offerer.createOffer()
            try self.answerer.setRemoteDescription(offer)
            let answer = try self.answerer.createAnswer()
            try self.offerer.setRemoteDescription(answer)
            self.descriptions = [
                ("peer-tree-offer", Array(offer.sdp.utf8)), ("peer-tree-answer", Array(answer.sdp.utf8)),
            ]
        }

        private func createChannels() throws {
            let kinds: [(ordered: Bool, reliability: DataChannelReliability)] = [
                (true, .reliable), (false, .maxRetransmits(0)), (false, .maxPacketLifeTime(1)),
            ]
            for (index, kind) in kinds.enumerated() {
                var configuration = DataChannelConfiguration()
                configuration.ordered = kind.ordered
                configuration.reliability = kind.reliability
                let channel = try self.offerer.createDataChannel(label: "channel \(index)", configuration)
                channel.onOpen = { [weak self, unowned channel] in
                    try? channel.send("text")
                    try? channel.send(ByteBuffer())
                    try? channel.send(ByteBuffer(repeating: 7, count: 3000))
                    channel.close()
                    self?.open += 1
                }
                channel.onClose = { [weak self] in
                    guard let self else { return }
                    self.open -= 1
                    if self.open == 0 { self.finished.succeed(()) }
                }
            }
        }
    }
}
