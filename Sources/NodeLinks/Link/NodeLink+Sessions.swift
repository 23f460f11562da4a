import NIOCore
import StateMachine

// Agreeing on a session over a new connection.
extension NodeLink {
    /// The leader says that frames go over this connection, and in which session.
    mutating func attach(_ connection: ConnectionID, using random: inout some RandomNumberGenerator) {
        activate(connection)
        lastAttempt += 1
        let current = session ?? LinkSession(LinkID(using: &random), isAgreed: false)
        session = current
        write(
            .attach(
                LinkFrame.Attach(
                    attempt: lastAttempt,
                    session: current.id,
                    isNew: !current.isAgreed,
                    received: current.received.last
                )
            )
        )
    }

    /// The other node hears that from the leader.
    mutating func handle(
        _ attach: LinkFrame.Attach,
        on connection: ConnectionID,
        using random: inout some RandomNumberGenerator
    ) {
        guard !leads else { return refuse(connection, .unexpected("an attach"), using: &random) }
        guard attach.attempt > lastAttempt else { return close(connection, .superseded, using: &random) }
        lastAttempt = attach.attempt
        activate(connection)
        if session?.id == attach.session {
            guard resume(after: attach.received) else { return endViolated(connection, using: &random) }
        } else {
            endSession(.forgotten)
            // One that has ended here does not begin once more, though the leader does not know yet that it had begun.
            guard attach.isNew, attach.session != endedSession else { return write(.attached(.unknownSession)) }
            start(LinkSession(attach.session, isAgreed: true))
        }
        write(.attached(.received(session?.received.last ?? 0)))
        session?.received.acknowledge()
        agree()
    }

    /// The leader hears the answer.
    mutating func handle(
        _ attached: LinkFrame.Attached,
        on connection: ConnectionID,
        using random: inout some RandomNumberGenerator
    ) {
        guard leads, active?.id == connection, active?.isAttached == false, let current = session else {
            return refuse(connection, .unexpected("an answer to an attach"), using: &random)
        }
        switch attached {
        case .received(let number):
            guard resume(after: number) else { return endViolated(connection, using: &random) }
            if !current.isAgreed { start(LinkSession(current.id, isAgreed: true)) }
            session?.received.acknowledge()
            agree()
        case .unknownSession:
            endSession(.forgotten)
            attach(connection, using: &random)
        }
    }

    /// What the other has not got goes once more.
    ///
    /// - Returns: false if it cannot have got that.
    private mutating func resume(after number: UInt64) -> Bool {
        guard session?.queue.acknowledge(number, onThisConnection: false) == true else { return false }
        session?.queue.rewind()
        return true
    }

    private mutating func start(_ session: LinkSession) {
        self.session = session
        tell(.sessionStarted(session.id))
    }

    /// Frames may go.
    private mutating func agree() {
        active?.isAttached = true
        redial.succeed()
        checkWritability()
        if reachability.isDeaf, let active { outputs.append(.read(active.id, false)) }
    }

    /// Names what is lost.
    mutating func endSession(_ reason: SessionEnd) {
        guard let ended = session else { return }
        session = nil
        endedSession = ended.id
        if ended.isAgreed { tell(.sessionEnded(reason, lost: ended.queue.numbers)) }
    }

    /// The other node cannot be believed what it says of the session.
    mutating func endViolated(_ connection: ConnectionID, using random: inout some RandomNumberGenerator) {
        endSession(.violation)
        refuse(connection, .unexpected("an acknowledgement"), using: &random)
    }

    mutating func refuse(
        _ connection: ConnectionID,
        _ violation: LinkViolation,
        using random: inout some RandomNumberGenerator
    ) {
        tell(.refused(.violation(violation), by: .this))
        close(connection, .violation(violation), using: &random)
    }
}
