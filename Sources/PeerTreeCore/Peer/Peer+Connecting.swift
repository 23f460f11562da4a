// Connections to parents: how long each may take, and what is tried beside one that takes long.

extension Peer {
    func isConnecting(to remote: RemoteID) -> Bool {
        upstreams.contains {
            if case .connecting = $0.phase { return $0.remote == remote }
            return false
        }
    }

    /// Makes a connection to a parent, unless one is under way.
    mutating func connect(_ index: Int, to remote: RemoteID, isUnderWay: Bool, at now: Instant) {
        upstreams[index].phase = .connecting(deadline: now + configuration.connectTimeout)
        upstreams[index].attempts.drop(remote)
        upstreams[index].attempts.begin(patience: configuration.attemptPatience, at: now)
        if !isUnderWay { emit(.connect(remote)) }
    }

    /// Gives up a connection that is still being made, unless somebody else waits for it.
    mutating func cancelConnecting(to remote: RemoteID) {
        guard !isConnecting(to: remote), !upstreams.contains(where: { $0.attempts.contains(remote) }),
            backup.standby?.isConnecting(to: remote) != true
        else { return }
        emit(.cancelConnect(remote))
    }

    /// Turns away from the parent that is being connected to, or was asked to feed. If the server names another one because
    /// the connection takes long, that goes on.
    mutating func abandonAttempt(_ index: Int, at now: Instant) {
        guard let remote = upstreams[index].remote else { return }
        switch upstreams[index].phase {
        case .connecting(let deadline):
            upstreams[index].remote = nil
            if upstreams[index].attempts.isImpatient {
                upstreams[index].attempts.keep(remote, until: deadline)
            } else {
                cancelConnecting(to: remote)
            }
        case .subscribing(let link, _):
            upstreams[index].phase = .waiting(retry: .distantFuture)
            upstreams[index].isAskedAgain = false
            if upstreams[index].former != link { stop(index, on: link, at: now) }
        case .waiting, .active:
            break
        }
    }

    mutating func connectFailed(_ remote: RemoteID, _ reason: LossReason, at now: Instant) {
        standbyFailed(remote, at: now)
        for index in upstreams.indices {
            upstreams[index].attempts.drop(remote)
            guard upstreams[index].remote == remote, case .connecting = upstreams[index].phase else { continue }
            orphan(index, reason, at: now)
        }
    }

    // MARK: Impatience

    /// Whether a stripe lacks a parent so much that another is asked for while the connection to one is being made. A server
    /// that names no children gives places away for every question.
    private func isImpatient(_ index: Int) -> Bool {
        guard case .connecting = upstreams[index].phase, admissions.slots != nil, !ending.isTold else { return false }
        let former = upstreams[index].former
        return former == nil || former == upstreams[index].attempts.late?.link
    }

    /// When something has to be done about connections that take long.
    func attemptDeadline(_ index: Int) -> Instant {
        let attempts = upstreams[index].attempts
        return isImpatient(index) ? min(attempts.deadline, attempts.patienceEnd) : attempts.deadline
    }

    mutating func watchAttempts(_ index: Int, at now: Instant) {
        for remote in upstreams[index].attempts.takeExpired(at: now) { cancelConnecting(to: remote) }
        giveUpLate(index, at: now)
        guard isImpatient(index), upstreams[index].attempts.patienceEnd <= now, let remote = upstreams[index].remote
        else { return }
        upstreams[index].attempts.ask(patience: configuration.attemptPatience, at: now)
        if promote(index, .unreachable, at: now) {
            cancelConnecting(to: remote)
        } else {
            emit(.orphaned(stripe: UInt8(index), epoch: upstreams[index].epoch, .unreachable))
        }
    }

    /// A connection that was overdue came about. It feeds whoever has no parent yet until the one has a link that the server
    /// named since.
    ///
    /// - Returns: whether it is of use.
    mutating func openedLate(
        _ index: Int,
        _ id: LinkID,
        _ remote: RemoteID,
        _ mode: LinkMode,
        at now: Instant
    ) -> Bool {
        guard upstreams[index].attempts.drop(remote), mode == .native, upstreams[index].former == nil,
            upstreams[index].link == nil
        else { return false }
        upstreams[index].former = id
        upstreams[index].attempts.expectAnswer(
            of: Attempts.Late(link: id, deadline: now + configuration.subscribeTimeout)
        )
        ask(index, on: id, at: now)
        return true
    }

    /// It feeds. The server waits to hear of the parent that it named since.
    mutating func admitLate(_ index: Int, _ id: LinkID, at now: Instant) {
        upstreams[index].attempts.answered()
        backup.pull.fed(at: now)
        if case .active = upstreams[index].phase { return }
        if let remote = links[id]?.remote { emit(.upstream(remote)) }
    }

    /// It might have fed, and says nothing.
    private mutating func giveUpLate(_ index: Int, at now: Instant) {
        guard let late = upstreams[index].attempts.late, late.deadline <= now else { return }
        upstreams[index].attempts.answered()
        guard upstreams[index].former == late.link, upstreams[index].link != late.link else { return }
        upstreams[index].former = nil
        stop(index, on: late.link, at: now)
    }

    /// There is a parent: nothing else is waited for, but for the answer of the one that may feed until this one does.
    mutating func finishAttempts(_ index: Int) {
        let (overdue, late) = (upstreams[index].attempts.overdue, upstreams[index].attempts.late)
        upstreams[index].attempts = Attempts()
        if let late, late.link == upstreams[index].former, late.link != upstreams[index].link {
            upstreams[index].attempts.expectAnswer(of: late)
        }
        for attempt in overdue { cancelConnecting(to: attempt.remote) }
    }
}
