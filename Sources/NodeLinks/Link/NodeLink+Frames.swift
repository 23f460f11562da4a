import NIOCore
import StateMachine

// Frames of a session.
extension NodeLink {
    mutating func handle(
        _ frame: LinkFrame,
        on connection: ConnectionID,
        using random: inout some RandomNumberGenerator
    ) {
        hear()
        if active?.id == connection { active?.heardAt = now }
        switch frame {
        case .data(let number, let payload): take(number, payload, on: connection, using: &random)
        case .acknowledge(let number): takeAcknowledgement(number, on: connection, using: &random)
        case .attach(let attach): handle(attach, on: connection, using: &random)
        case .attached(let attached): handle(attached, on: connection, using: &random)
        case .refuse(let refusal):
            // That a newer connection counts is nothing to report.
            if refusal != .superseded { tell(.refused(refusal, by: .other)) }
            close(connection, .superseded, using: &random)
        case .hello, .proof: refuse(connection, .unexpected(frame.kind), using: &random)
        }
    }

    private func isAttached(_ connection: ConnectionID) -> Bool {
        active?.id == connection && active?.isAttached == true
    }

    private mutating func take(
        _ number: UInt64,
        _ payload: ByteBuffer,
        on connection: ConnectionID,
        using random: inout some RandomNumberGenerator
    ) {
        let bytes = payload.readableBytes
        guard isAttached(connection), session?.received.receive(number, bytes: bytes, at: now, options) == true else {
            return refuse(connection, .unexpected("a frame of that number"), using: &random)
        }
        tell(.received(payload))
    }

    private mutating func takeAcknowledgement(
        _ number: UInt64,
        on connection: ConnectionID,
        using random: inout some RandomNumberGenerator
    ) {
        guard isAttached(connection) else {
            return refuse(connection, .unexpected("an acknowledgement"), using: &random)
        }
        guard session?.queue.acknowledge(number, onThisConnection: true) == true else {
            return endViolated(connection, using: &random)
        }
        checkWritability()
    }

    /// The user sends.
    mutating func send(_ payload: ByteBuffer, using random: inout some RandomNumberGenerator) {
        guard session?.isAgreed == true else { return }
        guard session?.queue.hasRoom(for: payload, options) == true else {
            endSession(.overflow)
            if let active { close(active.id, .overflow, using: &random) }
            return
        }
        session?.queue.append(payload)
        checkWritability()
    }

    /// Tells the user when to stop sending, and when to go on.
    mutating func checkWritability() {
        guard let session else { return }
        guard session.isWritable ? session.queue.isFull(options) : session.queue.isLow(options) else { return }
        self.session?.isWritable.toggle()
        tell(.isWritable(!session.isWritable))
    }

    mutating func write(_ frame: LinkFrame) {
        guard let id = active?.id else { return }
        active?.wroteAt = now
        outputs.append(.write(id, frame))
    }

    /// Writes the next frame that the connection has room for.
    mutating func fill() {
        guard let active, active.isAttached, active.room > 0, let next = session?.queue.takeNext() else { return }
        if session?.received.deadline != nil { acknowledge() }
        self.active?.room -= SendQueue.cost(next.payload)
        write(.data(next.number, next.payload))
    }

    /// Acknowledges what is due, and says something where nothing was said for long.
    mutating func showLife() {
        guard let active, active.isAttached else { return }
        let isSilent = now >= active.wroteAt + options.keepAlive
        // What waits in the socket shows life once it gets through.
        guard active.room > 0 else {
            if isSilent { self.active?.wroteAt = now }
            return
        }
        let isDue = session?.received.deadline.map { now >= $0 } ?? false
        if isDue || isSilent { acknowledge() }
    }

    private mutating func acknowledge() {
        guard let session else { return }
        self.session?.received.acknowledge()
        write(.acknowledge(session.received.last))
    }
}
