import Foundation
import NIOCore
import WebRTC

/// Offers connections, some at a time, and keeps them open: how long each takes, and what they cost while idle.
final class Dialler {
    private let transport: WebRTCTransport
    private let options: RoleOptions
    private var connections: [PeerConnection] = []
    private var channels: [DataChannel] = []
    /// Microseconds from the offer to the open channel, per connection.
    private var samples: [Double] = []
    private var begin: UInt64 = 0

    init(transport: WebRTCTransport, options: RoleOptions) {
        self.transport = transport
        self.options = options
    }

    static func run(_ options: RoleOptions) async throws {
        let transport = try await bindLoopback()
        let loop = transport.eventLoop
        let dialler = try await loop.submit {
            NIOLoopBound(Dialler(transport: transport, options: options), eventLoop: loop)
        }.get()
        for try await line in RunnerLine.input { try await loop.submit { try dialler.value.handle(line) }.get() }
    }

    private func handle(_ line: RunnerLine) throws {
        if let sdp = line.answer {
            try connections[line.link ?? 0].setRemoteDescription(SessionDescription(type: .answer, sdp: sdp))
        } else if line.command == "start" {
            begin = DispatchTime.now().uptimeNanoseconds
            for _ in 0..<min(options.parallel, options.count) { try dial() }
        } else if line.command == "report" {
            RunnerLine(event: "report", cpu: cpuSeconds()).say()
        }
    }

    private func dial() throws {
        let index = connections.count
        let connection = try transport.makePeerConnection()
        connections.append(connection)
        let channel = try connection.createDataChannel(label: "bench")
        channels.append(channel)
        let offered = DispatchTime.now().uptimeNanoseconds
        channel.onOpen = { [unowned self] in opened(after: offered) }
        RunnerLine(offer: try connection.createOffer().sdp, link: index).say()
    }

    private func opened(after offered: UInt64) {
        let now = DispatchTime.now().uptimeNanoseconds
        samples.append(Double(now - offered) / 1000)
        if connections.count < options.count {
            do {
                try dial()
            } catch {
                complain("transport-bench dial: \(error)")
                exit(1)
            }
        } else if samples.count == options.count {
            let sorted = samples.sorted()
            RunnerLine(
                p50: sorted[sorted.count / 2],
                p99: sorted[sorted.count * 99 / 100],
                seconds: Double(now - begin) / 1e9
            ).say()
        }
    }
}

/// Answers every offer, each on a port of its own: to the dialler they are as many peers.
enum Acceptor {
    static func run() async throws {
        var transports: [WebRTCTransport] = []
        for try await line in RunnerLine.input {
            guard let sdp = line.offer else { continue }
            let transport = try await bindLoopback()
            transports.append(transport)
            let answer = try await transport.eventLoop.submit {
                let connection = try transport.makePeerConnection()
                try connection.setRemoteDescription(SessionDescription(type: .offer, sdp: sdp))
                return try connection.createAnswer()
            }.get()
            RunnerLine(answer: answer.sdp, link: line.link).say()
        }
    }
}
