import NIOCore
import NIOHTTP1

/// Who uses a client's connection. Called on its event loop.
protocol EngineIOClientDelegate: AnyObject {
    func engineDidOpen(_ engine: EngineIOClientConnection)
    func engine(_ engine: EngineIOClientConnection, didReceive message: EngineIOMessage)
    func engine(_ engine: EngineIOClientConnection, didClose reason: EngineIOClientSession.CloseReason)
}

/// Drives one ``EngineIOClientSession``: owns its WebSocket, its two polling connections and its timer.
///
/// `@unchecked Sendable`: every mutable property is used on `eventLoop` only; WebSocket and polling connections are
/// opened on that loop, so their callbacks come there, and the other methods assert it.
final class EngineIOClientConnection: @unchecked Sendable, NIOScheduledCallbackHandler, WebSocketDelegate {
    private let target: EngineIOClientTarget
    private let eventLoop: any EventLoop
    /// Kept until the end, so that a client lives as long as its connection does.
    private var delegate: (any EngineIOClientDelegate)?
    private var session: EngineIOClientSession
    private let poller: PollingRequester
    private let poster: PollingRequester
    private var webSocket: WebSocketLink?
    private var webSocketCount: UInt64 = 0
    private var timer: (deadline: NIODeadline, callback: NIOScheduledCallback)?
    private var isDraining = false
    private var isClosed = false

    init(
        target: EngineIOClientTarget,
        transports: [SocketIOTransport],
        openTimeout: TimeAmount,
        eventLoop: any EventLoop,
        delegate: any EngineIOClientDelegate
    ) {
        self.target = target
        self.eventLoop = eventLoop
        self.delegate = delegate
        session = EngineIOClientSession(transports: transports, openTimeout: openTimeout)
        poller = PollingRequester(target: target, eventLoop: eventLoop)
        poster = PollingRequester(target: target, eventLoop: eventLoop)
    }

    /// How messages travel now.
    var transport: SocketIOTransport { session.usesWebSocket ? .webSocket : .polling }

    func start() { handle(.start) }

    func send(_ packet: EncodedPacket) {
        handle(.send(.text(packet.text)))
        for attachment in packet.attachments { handle(.send(.binary(attachment))) }
    }

    /// Sends a packet unless earlier ones have not left yet.
    func sendVolatile(_ packet: EncodedPacket) {
        guard session.canSendAtOnce else { return }
        if session.usesWebSocket {
            webSocket?.sendVolatile(
                [EngineIOPacket.message(.text(packet.text)).frame] + packet.attachments.map { .binary($0) }
            )
        } else {
            send(packet)
        }
    }

    func close() { handle(.close) }

    func webSocket(_ id: UInt64, didReceive frame: EngineIOFrame) {
        if id == webSocketCount { handle(.webSocketFrame(frame)) }
    }

    func webSocket(_ id: UInt64, didClose reason: WebSocketCloseReason) {
        guard id == webSocketCount else { return }
        webSocket = nil
        handle(.webSocketClosed(reason == .closed ? nil : "the WebSocket failed"))
    }

    func handleScheduledCallback(eventLoop: some EventLoop) {
        timer = nil
        handle(.timeout)
    }

    private func handle(_ input: EngineIOClientSession.Input) {
        eventLoop.assertInEventLoop()
        session.handle(input, at: .now())
        guard !isDraining else { return }
        isDraining = true
        while let output = session.nextOutput() { perform(output) }
        isDraining = false
        rescheduleTimer()
    }

    private func rescheduleTimer() {
        guard let deadline = session.deadline else {
            timer?.callback.cancel()
            timer = nil
            return
        }
        if let timer, timer.deadline <= deadline { return }
        timer?.callback.cancel()
        timer = (try? eventLoop.scheduleCallback(at: deadline, handler: self)).map { (deadline, $0) }
    }

    private func perform(_ output: EngineIOClientSession.Output) {
        switch output {
        case .poll(let sid): poll(sid: sid)
        case .post(let sid, let body): post(sid: sid, body: body)
        case .openWebSocket(let sid): openWebSocket(sid: sid)
        case .sendFrame(let frame): webSocket?.send(frame)
        case .closeWebSocket:
            webSocket?.close()
            webSocket = nil
            webSocketCount += 1
        case .opened: delegate?.engineDidOpen(self)
        case .message(let message): delegate?.engine(self, didReceive: message)
        case .closed(let reason):
            isClosed = true
            poller.close()
            poster.close()
            let delegate = delegate
            self.delegate = nil
            delegate?.engine(self, didClose: reason)
        }
    }

    private func poll(sid: String?) {
        poller.send(.GET, sid: sid) { result in
            switch result {
            case .success(let answer): self.handle(.pollAnswered(status: answer.status, body: answer.body))
            case .failure(let error): self.handle(.pollFailed(ConnectionFailure(error)))
            }
        }
    }

    private func post(sid: String, body: ByteBuffer) {
        poster.send(.POST, sid: sid, body: body) { result in
            switch result {
            case .success(let answer): self.handle(.postAnswered(status: answer.status, body: answer.body))
            case .failure(let error): self.handle(.postFailed(ConnectionFailure(error)))
            }
        }
    }

    private func openWebSocket(sid: String?) {
        webSocketCount += 1
        let id = webSocketCount
        target.openWebSocket(id: id, sid: sid, delegate: self, on: eventLoop).whenComplete { result in
            switch result {
            case .success(let link) where self.isClosed || id != self.webSocketCount: link.close()
            case .success(let link):
                self.webSocket = link
                self.handle(.webSocketOpened)
            case .failure where id != self.webSocketCount: break
            case .failure(let error): self.handle(.webSocketClosed(ConnectionFailure(error)))
            }
        }
    }
}
