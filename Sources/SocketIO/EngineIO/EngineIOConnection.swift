package import NIOCore

/// What runs on top of an Engine.IO connection. Called on the connection's event loop only.
package protocol EngineIOApplication: AnyObject {
    /// The handshake has been sent.
    func connectionDidOpen()
    func connectionDidReceive(_ message: EngineIOMessage)
    func connectionDidClose(_ reason: EngineIOSession.CloseReason)
    /// When ``handleDeadline(at:)`` is due, if ever.
    var deadline: NIODeadline? { get }
    func handleDeadline(at now: NIODeadline)
}

/// Drives one ``EngineIOSession``: owns its transports and its timer.
///
/// A connection belongs to the event loop on which it was opened, whatever loops its later requests arrive on.
///
/// `@unchecked Sendable`: every mutable property is used on `eventLoop` only. ``onLoop(_:)`` hops there, and every
/// method that is called without hopping asserts it.
package final class EngineIOConnection: @unchecked Sendable, DeadlineHandler, WebSocketDelegate {
    package typealias RequestID = EngineIOSession.RequestID

    /// Takes the answer to one request; callable from any thread.
    package typealias Responder = @Sendable (EngineIOResponse) -> Void

    package let id: String
    package let eventLoop: any EventLoop
    package let handshake: EngineIOHandshake
    package var revision: EngineIORevision { session.encoding.revision }
    private let server: EngineIOServer
    private var session: EngineIOSession
    private var application: (any EngineIOApplication)?
    private var webSocket: WebSocketLink?
    private var candidate: WebSocketLink?
    private var responders: [(id: RequestID, respond: Responder)] = []
    private let deadlines: DeadlineTimer
    private var timer: (deadline: NIODeadline, token: DeadlineTimer.Token)?
    private var isDraining = false

    package init(
        id: String,
        opening: EngineIOSession.Opening,
        encoding: EngineIOEncoding,
        handshake: EngineIOHandshake,
        server: EngineIOServer,
        eventLoop: any EventLoop
    ) {
        self.id = id
        self.server = server
        self.handshake = handshake
        self.eventLoop = eventLoop
        deadlines = server.deadlines(on: eventLoop)
        session = EngineIOSession(
            id: id,
            opening: opening,
            encoding: encoding,
            parameters: server.parameters,
            at: .now()
        )
    }

    /// Runs `body` on the connection's event loop: at once if already there.
    package func onLoop(_ body: @escaping @Sendable (EngineIOConnection) -> Void) {
        if eventLoop.inEventLoop {
            body(self)
        } else {
            eventLoop.execute { body(self) }
        }
    }

    /// Gives the connection its first transport and lets it speak.
    package func start(
        application: any EngineIOApplication,
        webSocket: WebSocketLink?,
        responder: (RequestID, Responder)?
    ) {
        eventLoop.assertInEventLoop()
        self.application = application
        self.webSocket = webSocket
        if let responder { responders.append(responder) }
        drain()
        application.connectionDidOpen()
    }

    /// A request of this session's client arrived.
    package func handle(_ input: EngineIOSession.Input, request: RequestID, respond: @escaping Responder) {
        eventLoop.assertInEventLoop()
        if !responders.contains(where: { $0.id == request }) { responders.append((request, respond)) }
        handle(input)
    }

    package func handle(_ input: EngineIOSession.Input) {
        eventLoop.assertInEventLoop()
        session.handle(input, at: .now())
        drain()
    }

    /// The request was refused before it reached the session.
    package func refuseData(_ request: RequestID) {
        responders.removeAll { $0.id == request }
        handle(.dataRefused(request))
    }

    /// A WebSocket was opened for this session.
    package func attach(_ link: WebSocketLink) {
        eventLoop.assertInEventLoop()
        if candidate == nil {
            candidate = link
            handle(.webSocketOpened(link.id))
        } else {
            link.close()
        }
    }

    /// Lets the listener speak to the application; closes the session if that did not.
    package func tellApplication(_ tell: (any EngineIOApplication) -> Void) {
        eventLoop.assertInEventLoop()
        if let application { tell(application) }
        close()
    }

    /// Ends the session without waiting for its client.
    package func cut() { handle(.abandon) }

    package func count(_ refusal: SocketIORefusal) { server.refusals.count(refusal) }

    package func send(_ message: EngineIOMessage) { handle(.send(message)) }

    /// Sends messages together, or drops them if the client has not taken what was sent before.
    package func sendVolatile(_ messages: [EngineIOMessage]) { handle(.sendVolatile(messages)) }

    package func close(last: [EngineIOMessage] = []) { handle(.close(last: last)) }

    package func webSocket(_ id: UInt64, didReceive frame: EngineIOFrame) {
        onLoop { $0.handle(.webSocketFrame(id, frame)) }
    }

    package func webSocket(_ id: UInt64, didClose reason: WebSocketCloseReason) {
        onLoop { connection in
            if let refusal = reason.refusal { connection.count(refusal) }
            connection.handle(reason == .closed ? .webSocketClosed(id) : .webSocketFailed(id))
            if connection.candidate?.id == id { connection.candidate = nil }
        }
    }

    package func deadlineReached() {
        timer = nil
        let now = NIODeadline.now()
        if let deadline = application?.deadline, deadline <= now { application?.handleDeadline(at: now) }
        handle(.timeout)
    }

    /// Looks again at when the application wants to be called.
    package func rescheduleTimer() {
        let deadline = earliestDeadline
        // A timer that fires too early costs less than moving it at every packet.
        if let timer, let deadline, timer.deadline <= deadline { return }
        if let timer { deadlines.cancel(timer.token) }
        timer = deadline.map { ($0, deadlines.set($0, self)) }
    }

    private var earliestDeadline: NIODeadline? {
        guard let session = session.deadline else { return nil }
        return application?.deadline.map { min($0, session) } ?? session
    }

    private func drain() {
        guard !isDraining else { return }
        isDraining = true
        while let output = session.nextOutput() { perform(output) }
        isDraining = false
        if session.isClosed, !responders.isEmpty {
            let unanswered = responders
            responders = []
            for responder in unanswered { responder.respond(.refused(.unknownSessionID)) }
        }
        rescheduleTimer()
    }

    private func perform(_ output: EngineIOSession.Output) {
        switch output {
        case .respond(let request, let response):
            guard let index = responders.firstIndex(where: { $0.id == request }) else { return }
            responders.remove(at: index).respond(response)
        case .sendFrame(let id, let frame): link(id)?.send(frame)
        case .sendVolatileFrames(let id, let frames): link(id)?.sendVolatile(frames)
        case .closeWebSocket(let id):
            link(id)?.close()
            if webSocket?.id == id { webSocket = nil }
            if candidate?.id == id { candidate = nil }
        case .message(let message): application?.connectionDidReceive(message)
        case .refused(let refusal): count(refusal)
        case .closed(let reason): finish(reason)
        }
    }

    private func link(_ id: UInt64) -> WebSocketLink? {
        if webSocket?.id == id { return webSocket }
        guard candidate?.id == id else { return nil }
        return candidate
    }

    private func finish(_ reason: EngineIOSession.CloseReason) {
        server.remove(self)
        let application = application
        self.application = nil
        application?.connectionDidClose(reason)
        webSocket = nil
        candidate = nil
    }
}
