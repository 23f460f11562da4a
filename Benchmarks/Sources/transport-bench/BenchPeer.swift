import Foundation
import NIOCore
import WebRTC

/// One process of the benchmark, on the transport's event loop.
final class BenchPeer {
    private let transport: WebRTCTransport
    private let options: RoleOptions
    /// The links that were offered, by the runner's numbers.
    private var connections: [PeerConnection] = []
    private var links: [DataChannel] = []
    private var upstreamConnection: PeerConnection?
    private var upstream: DataChannel?
    private var openLinks = 0
    private var hasStarted = false
    private var bytes = 0
    /// Bytes a source may still send, if it waits for credit.
    private var allowance = Int.max
    /// Bytes a relay has passed on since it last gave credit.
    private var passedOn = 0
    private let message: ByteBuffer
    private var samples: [Double] = []
    private var pingBegin: UInt64 = 0

    /// Sending pauses above the high mark, and goes on at the low one.
    private static let highMark = 1 << 20
    private static let lowMark = 1 << 19
    /// A relay gives credit in steps of so many bytes.
    private static let creditStep = 1 << 16

    init(transport: WebRTCTransport, options: RoleOptions) {
        self.transport = transport
        self.options = options
        message = ByteBuffer(repeating: 0x5A, count: options.size)
        allowance = options.credit ?? .max
    }

    /// Sources and pings offer at once; a relay offers when it has answered.
    func begin() {
        switch options.role {
        case .source: attempt { try offerAll(options.children) }
        case .ping: attempt { try offerAll(1) }
        case .relay, .sink, .pong, .dial, .accept, .loops: break
        }
    }

    func handle(_ line: RunnerLine) {
        attempt {
            if let sdp = line.offer {
                try answer(sdp)
            } else if let sdp = line.answer {
                try connections[line.link ?? 0].setRemoteDescription(SessionDescription(type: .answer, sdp: sdp))
            } else if line.command == "start" {
                hasStarted = true
                if options.role == .ping {
                    try ping()
                } else if let rate = options.rate {
                    pace(rate)
                } else {
                    try pump()
                }
            } else if line.command == "report" {
                RunnerLine(event: "report", bytes: bytes, cpu: cpuSeconds()).say()
            }
        }
    }

    // MARK: - Links

    private func offerAll(_ count: Int) throws {
        for index in 0..<count { try offer(index) }
    }

    private func offer(_ index: Int) throws {
        let connection = try transport.makePeerConnection()
        connections.append(connection)
        let channel = try connection.createDataChannel(label: "bench")
        links.append(channel)
        channel.bufferedAmountLowThreshold = Self.lowMark
        channel.onOpen = { [unowned self] in opened() }
        channel.onBufferedAmountLow = { [unowned self] in attempt { try pump() } }
        channel.onMessage = { [unowned self] message, _ in attempt { try receiveFromChild(message) } }
        RunnerLine(offer: try connection.createOffer().sdp, link: index).say()
    }

    private func answer(_ sdp: String) throws {
        let connection = try transport.makePeerConnection()
        upstreamConnection = connection
        connection.onDataChannel = { [unowned self] channel in
            upstream = channel
            channel.onMessage = { [unowned self] message, _ in attempt { try receiveFromParent(message) } }
            opened()
        }
        try connection.setRemoteDescription(SessionDescription(type: .offer, sdp: sdp))
        RunnerLine(answer: try connection.createAnswer().sdp, link: 0).say()
        if options.role == .relay { try offerAll(options.children) }
    }

    private func opened() {
        openLinks += 1
        // A relay's upstream link may open before it has offered any other.
        let offered = options.role == .relay ? options.children : links.count
        if openLinks == offered + (upstreamConnection == nil ? 0 : 1) { RunnerLine(event: "open").say() }
    }

    // MARK: - Messages

    /// A source sends while all its links have room; a relay gives credit then.
    private func pump() throws {
        guard links.allSatisfy({ $0.bufferedAmount < Self.highMark }) else { return }
        switch options.role {
        case .source where hasStarted && options.rate == nil:
            repeat {
                guard allowance >= options.size else { return }
                for link in links { try link.send(message) }
                allowance -= options.credit == nil ? 0 : options.size
                bytes += options.size
            } while links.allSatisfy { $0.bufferedAmount < Self.highMark }
        case .relay where passedOn >= Self.creditStep:
            try upstream?.send(ByteBuffer(integer: UInt64(passedOn)))
            passedOn = 0
        default: break
        }
    }

    private func receiveFromParent(_ message: ByteBuffer) throws {
        bytes += message.readableBytes
        switch options.role {
        case .relay:
            for link in links { try link.send(message) }
            passedOn += message.readableBytes
            try pump()
        case .pong: try upstream?.send(message)
        case .source, .sink, .ping, .dial, .accept, .loops: break
        }
    }

    private func receiveFromChild(_ message: ByteBuffer) throws {
        switch options.role {
        case .source:
            guard options.credit != nil, let credit = message.getInteger(at: message.readerIndex, as: UInt64.self)
            else { return }
            allowance += Int(credit)
            try pump()
        case .ping:
            samples.append(Double(DispatchTime.now().uptimeNanoseconds - pingBegin) / 1000)
            try ping()
        case .relay, .sink, .pong, .dial, .accept, .loops: break
        }
    }

    /// Sends at a steady rate: every message when its time has come, looked at each millisecond.
    private func pace(_ rate: Int, since begin: NIODeadline = .now(), after base: Int? = nil) {
        let base = base ?? bytes
        attempt {
            let due = Int(Double((NIODeadline.now() - begin).nanoseconds) / 1e9 * Double(rate))
            while bytes - base + options.size <= due {
                for link in links { try link.send(message) }
                bytes += options.size
            }
        }
        transport.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(1)) {
            self.pace(rate, since: begin, after: base)
        }
    }

    /// Round trips one at a time, after a tenth as many for warming up.
    private func ping() throws {
        let warmUp = options.count / 10
        guard samples.count < options.count + warmUp else {
            let sorted = samples.dropFirst(warmUp).sorted()
            RunnerLine(p50: sorted[sorted.count / 2], p99: sorted[sorted.count * 99 / 100]).say()
            return
        }
        pingBegin = DispatchTime.now().uptimeNanoseconds
        try links.first?.send(message)
    }

    /// A benchmark that cannot go on has nothing to report.
    private func attempt(_ body: () throws -> Void) {
        do {
            try body()
        } catch {
            complain("transport-bench \(options.role.rawValue): \(error)")
            exit(1)
        }
    }
}
