import Foundation
import NIOCore
import WebRTC

/// One way throughput and round trips between this process and a second one, over loopback.
///
/// The second process is this executable in `webrtc-throughput --echo` mode; descriptions travel through its pipes.
enum Throughput {
    struct Options {
        var seconds = 4.0
        var sizes = [16_384, 65_536]
        var mtu = 1200
        var isResponder = false

        init(_ arguments: [String]) {
            var rest = arguments[...]
            while let option = rest.popFirst() {
                switch option {
                case "--responder": self.isResponder = true
                case "--seconds": self.seconds = rest.popFirst().flatMap(Double.init) ?? self.seconds
                case "--mtu": self.mtu = rest.popFirst().flatMap { Int($0) } ?? self.mtu
                case "--sizes":
                    self.sizes = rest.popFirst().map { $0.split(separator: ",").compactMap { Int($0) } } ?? self.sizes
                default: print("unknown option \(option)")
                }
            }
        }

        var configuration: WebRTCConfiguration {
            var configuration = WebRTCConfiguration()
            configuration.bindAddresses = ["127.0.0.1"]
            configuration.maximumDatagramSize = self.mtu
            return configuration
        }
    }

    static func run(arguments: [String]) async throws {
        let options = Options(arguments)
        if options.isResponder {
            try await Responder.run(options)
        } else {
            try await Initiator.run(options)
        }
    }

    /// CPU time of this process so far, in seconds.
    static func processorTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// The receiving process. Answers "report" with what it received since the last report, echoes channel "echo".
private enum Responder {
    final class Totals {
        var bytes = 0
        var processor = Throughput.processorTime()
    }

    static func run(_ options: Throughput.Options) async throws {
        let transport = try await WebRTCTransport.bind(options.configuration)
        guard let line = readLine(), let offer = try? JSONDecoder().decode(String.self, from: Data(line.utf8)) else {
            return
        }
        let answer = try await transport.eventLoop.submit {
            let connection = try transport.makePeerConnection()
            let totals = Totals()
            connection.onDataChannel = { channel in
                channel.onMessage = { [unowned channel] message, kind in
                    if channel.label == "echo" {
                        try? channel.send(message, as: kind)
                    } else if kind == .text {
                        let now = Throughput.processorTime()
                        try? channel.send("\(totals.bytes) \(now - totals.processor)")
                        totals.bytes = 0
                        totals.processor = now
                    } else {
                        totals.bytes += message.readableBytes
                    }
                }
            }
            try connection.setRemoteDescription(SessionDescription(type: .offer, sdp: offer))
            return try connection.createAnswer().sdp
        }.get()
        FileHandle.standardOutput.write(try JSONEncoder().encode(answer) + Data("\n".utf8))
        while readLine() != nil {}
    }
}

/// The sending process.
private enum Initiator {
    static func run(_ options: Throughput.Options) async throws {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
        child.arguments = ["webrtc-throughput", "--responder", "--mtu", "\(options.mtu)"]
        let input = Pipe()
        let output = Pipe()
        child.standardInput = input
        child.standardOutput = output
        try child.run()
        defer { try? input.fileHandleForWriting.close() }

        let transport = try await WebRTCTransport.bind(options.configuration)
        let session = try await transport.eventLoop.submit {
            NIOLoopBound(try Session(transport), eventLoop: transport.eventLoop)
        }.get()
        let offer = try await transport.eventLoop.submit { try session.value.connection.createOffer().sdp }.get()
        input.fileHandleForWriting.write(try JSONEncoder().encode(offer) + Data("\n".utf8))
        var reply = Data()
        while reply.last != UInt8(ascii: "\n") { reply += output.fileHandleForReading.availableData }
        let answer = try JSONDecoder().decode(String.self, from: reply)
        let started = NIODeadline.now()
        try await transport.eventLoop.flatSubmit { () -> EventLoopFuture<Void> in
            do {
                try session.value.connection.setRemoteDescription(SessionDescription(type: .answer, sdp: answer))
            } catch {
                return transport.eventLoop.makeFailedFuture(error)
            }
            return session.value.ready.futureResult
        }.get()
        print("set-up after the answer: \(milliseconds(.now() - started)) ms")
        for size in options.sizes {
            let before = Throughput.processorTime()
            let report = try await transport.eventLoop.flatSubmit {
                session.value.flood(size: size, seconds: options.seconds)
            }.get()
            let own = Throughput.processorTime() - before
            let fields = report.text.split(separator: " ").compactMap { Double($0) }
            guard fields.count == 2 else { continue }
            let rate = fields[0] / report.seconds / 1e6
            let gigabytes = fields[0] / 1e9
            print(
                "\(size) bytes: \(text(rate)) MB/s, CPU s/GB: sender \(text(own / gigabytes)),",
                "receiver \(text(fields[1] / gigabytes)), both \(text((own + fields[1]) / gigabytes))"
            )
        }
        let trips = try await transport.eventLoop.flatSubmit { session.value.pingPong(count: 20_000) }.get().sorted()
        print("64 bytes there and back: p50 \(trips[trips.count / 2]) us, p99 \(trips[trips.count * 99 / 100]) us")
        let counters = try await transport.eventLoop.submit { transport.counters }.get()
        let perCall = Double(counters.sentDatagrams) / Double(max(1, counters.sendCalls))
        print("datagrams a send call: \(text(perCall)); datagrams not sent: \(counters.unsentDatagrams)")
        transport.close()
    }

    private static func text(_ value: Double) -> String { String(format: "%.2f", value) }
    private static func milliseconds(_ amount: TimeAmount) -> String { text(Double(amount.nanoseconds) / 1e6) }
}

/// The sender's connection with its two channels. Lives on the event loop.
private final class Session {
    let connection: PeerConnection
    let data: DataChannel
    let echo: DataChannel
    let ready: EventLoopPromise<Void>
    private let loop: any EventLoop
    private var open = 0

    init(_ transport: WebRTCTransport) throws {
        self.loop = transport.eventLoop
        self.connection = try transport.makePeerConnection()
        self.data = try self.connection.createDataChannel(label: "data")
        self.echo = try self.connection.createDataChannel(label: "echo")
        self.ready = transport.eventLoop.makePromise()
        for channel in [self.data, self.echo] {
            channel.onOpen = { [unowned self] in
                self.open += 1
                if self.open == 2 { self.ready.succeed(()) }
            }
        }
    }

    /// Sends as fast as the channel takes it, then asks what arrived.
    func flood(size: Int, seconds: Double) -> EventLoopFuture<(text: String, seconds: Double)> {
        let promise = self.loop.makePromise(of: (text: String, seconds: Double).self)
        let message = ByteBuffer(repeating: 0x5A, count: size)
        let start = NIODeadline.now()
        var isOver = false
        self.data.bufferedAmountLowThreshold = 256 * 1024
        let fill = { [unowned self] in
            guard !isOver else { return }
            while self.data.bufferedAmount < 1024 * 1024 {
                do { try self.data.send(message) } catch { return promise.fail(error) }
            }
            if NIODeadline.now() - start > .nanoseconds(Int64(seconds * 1e9)) {
                isOver = true
                try? self.data.send("report")
            }
        }
        self.data.onBufferedAmountLow = fill
        self.data.onMessage = { report, _ in
            let elapsed = Double((NIODeadline.now() - start).nanoseconds) / 1e9
            promise.succeed((String(buffer: report), elapsed))
        }
        fill()
        return promise.futureResult
    }

    /// Round trip times in microseconds.
    func pingPong(count: Int) -> EventLoopFuture<[Int]> {
        let promise = self.loop.makePromise(of: [Int].self)
        let message = ByteBuffer(repeating: 1, count: 64)
        var trips: [Int] = []
        var sent = NIODeadline.now()
        let send = { [unowned self] in
            sent = .now()
            do { try self.echo.send(message) } catch { promise.fail(error) }
        }
        self.echo.onMessage = { _, _ in
            trips.append(Int((NIODeadline.now() - sent).nanoseconds / 1000))
            if trips.count == count { promise.succeed(trips) } else { send() }
        }
        send()
        return promise.futureResult
    }
}
