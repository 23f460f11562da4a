// Links come, go and are watched.

extension Peer {
    mutating func open(_ id: LinkID, _ remote: RemoteID, _ role: NeighbourRole, _ mode: LinkMode, at now: Instant) {
        guard links[id] == nil else { return }
        let former = role == .child ? links.values.first { $0.role == .child && $0.remote == remote } : nil
        if role == .child { replaceLinks(of: remote, at: now) }
        guard role == .child ? hasRoom(for: remote) : departure.isStaying else {
            if mode == .native { emit(.send(id, Buffer(bytes: ControlFrame.close(.refused).encoded()))) }
            emit(.close(id))
            return
        }
        var link = Link(id, remote, role, mode, at: now)
        if let former { link.succeed(former) }
        links[id] = link
        switch role {
        case .parent: parentOpened(id, remote, mode, at: now)
        case .child:
            childOpened(id, mode, at: now)
        }
    }

    /// Gives a neighbour up: it is dead, misbehaved, or said goodbye.
    mutating func lose(_ id: LinkID, _ reason: LossReason, closing: Bool, at now: Instant) {
        guard let link = links.removeValue(forKey: id) else { return }
        if closing { emit(.close(id)) }
        if (link.role == .parent && !isWarm(link)) || link.feeding.isAnnounced {
            emit(.neighbourGone(link.remote, link.role))
        }
        forgetRepairs(by: id, at: now)
        switch link.role {
        case .parent:
            standbyLost(id, at: now)
            parentLost(id, reason, at: now)
        case .child:
            admissions.rest(link.remote)
            if reason == .silent || reason == .closed { miss(link, at: now) }
            if departure.isStaying, admissions.isChild(link.remote) { emit(.childLost(link.remote, reason)) }
            updateFlow(at: now)
            noteCompletion(at: now)
        }
    }

    /// Says why, then closes.
    mutating func dismiss(_ id: LinkID, _ reason: LinkCloseReason, _ loss: LossReason, at now: Instant) {
        send(.close(reason), on: id, at: now)
        lose(id, loss, closing: true, at: now)
    }

    mutating func drained(_ id: LinkID, _ buffered: Int, at now: Instant) {
        guard links[id] != nil else { return }
        links.update(id) { $0.queue.report(buffered, at: now) }
        pump(id, at: now)
        boundSendQueue(of: id)
        updateFlow(at: now)
        if links[id]?.mode == .plain { noteCompletion(at: now) }
    }

    mutating func leave(at now: Instant) {
        guard departure.isStaying else { return }
        departure = .leaving(deadline: now + configuration.leaveTimeout)
        for link in links.values where link.role == .child {
            send(.close(.leaving), on: link.id, at: now)
        }
    }

    /// Leaving is over once no child depends on this peer.
    mutating func finishLeaving(at now: Instant) {
        guard case .leaving(let deadline) = departure else { return }
        let childrenRemain = links.children.contains { id in
            links[id].map { !$0.feeding.isComplete && admissions.allow($0.remote) && !isWarm($0) } ?? false
        }
        guard !childrenRemain || deadline <= now else { return }
        for link in links.values {
            send(.close(.leaving), on: link.id, at: now)
            emit(.close(link.id))
        }
        links.removeAll()
        upstreams = upstreams.map { _ in Upstream(phase: .waiting(retry: .distantFuture)) }
        departure = .left
        emit(.left)
    }

    mutating func heartbeat(timestamp: UInt64, echo: UInt64, held: UInt32, on id: LinkID, at now: Instant) {
        links[id]?.liveness.heartbeatToEcho = (timestamp, now)
        guard echo > 0 else { return }
        let elapsed = now.nanoseconds / 1000
        guard elapsed >= echo, elapsed - echo >= UInt64(held) else { return }
        let roundTrip = TimeSpan.microseconds(elapsed - echo - UInt64(held))
        links[id]?.liveness.roundTripTime = roundTrip
        links[id]?.queue.handOut.measured(roundTrip: roundTrip)
    }
}
