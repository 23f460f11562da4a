import Foundation
import NIOCore
import WebRTC

/// Many links within one process, on one event loop or on several: what more processors give.
enum Loops {
    /// `--parallel` loops, `--children` links spread over them, both ends of a link on the same loop.
    static func run(_ options: RoleOptions) async throws {
        var configuration = WebRTCConfiguration()
        configuration.bindAddresses = ["127.0.0.1"]
        configuration.includeLoopbackCandidates = true
        let near = try await WebRTCTransportGroup.bind(configuration, count: options.parallel)
        let far = try await WebRTCTransportGroup.bind(configuration, count: options.parallel)
        var flows: [NIOLoopBound<Flow>] = []
        for index in 0..<options.children {
            let (a, b) = (near.transports[index % options.parallel], far.transports[index % options.parallel])
            let flow = try await a.eventLoop.submit {
                NIOLoopBound(try Flow(a, b, options.size), eventLoop: a.eventLoop)
            }.get()
            try await a.eventLoop.flatSubmit { flow.value.opened }.get()
            flows.append(flow)
        }
        RunnerLine(event: "open").say()
        for try await line in RunnerLine.input {
            if line.command == "start" {
                for flow in flows { flow.execute { $0.start() } }
            } else if line.command == "report" {
                var bytes = 0
                for flow in flows { bytes += try await flow.submit { $0.received } }
                RunnerLine(event: "report", bytes: bytes, cpu: cpuSeconds()).say()
            }
        }
        // Its links may still call it.
        withExtendedLifetime((near, far, flows)) { exit(0) }
    }
}

/// A link whose source always has something to send. Both ends live on one event loop.
private final class Flow {
    private(set) var received = 0
    private let source: PeerConnection
    private let sink: PeerConnection
    private let channel: DataChannel
    private let message: ByteBuffer
    private let open: EventLoopPromise<Void>
    var opened: EventLoopFuture<Void> { open.futureResult }

    private static let highMark = 1 << 20

    init(_ near: WebRTCTransport, _ far: WebRTCTransport, _ size: Int) throws {
        source = try near.makePeerConnection()
        sink = try far.makePeerConnection()
        channel = try source.createDataChannel(label: "flow")
        message = ByteBuffer(repeating: 0x5A, count: size)
        open = near.eventLoop.makePromise()
        channel.bufferedAmountLowThreshold = Self.highMark / 2
        channel.onOpen = { [open] in open.succeed() }
        channel.onBufferedAmountLow = { [unowned self] in start() }
        sink.onDataChannel = { [unowned self] channel in
            channel.onMessage = { [unowned self] message, _ in received += message.readableBytes }
        }
        try sink.setRemoteDescription(try source.createOffer())
        try source.setRemoteDescription(try sink.createAnswer())
    }

    func start() {
        do {
            while channel.bufferedAmount < Self.highMark { try channel.send(message) }
        } catch {
            complain("transport-bench loops: \(error)")
            exit(1)
        }
    }
}

extension NIOLoopBound {
    fileprivate func submit<Result: Sendable>(_ body: @escaping @Sendable (Value) -> Result) async throws -> Result {
        try await eventLoop.submit { body(self.value) }.get()
    }

    fileprivate func execute(_ body: @escaping @Sendable (Value) -> Void) {
        eventLoop.execute { body(self.value) }
    }
}
