// Links come, go and are watched.

extension Peer {
    mutating func open(_ id: LinkID, _ remote: RemoteID, _ role: NeighbourRole, _ mode: LinkMode, at now: Instant) {
        guard links[id] == nil else { return }
        guard links.count < configuration.maximumLinks, leaveDeadline == nil else {
            emit(.close(id))
            return
        }
        links[id] = Link(id, remote, role, mode, at: now)
        switch role {
        case .parent: parentOpened(id, remote, mode, at: now)
        case .child:
            children.append(id)
            childOpened(id, mode, at: now)
        }
    }

    /// Gives a neighbour up: it is dead, misbehaved, or said goodbye.
    mutating func lose(_ id: LinkID, _ reason: LossReason, closing: Bool, at now: Instant) {
        guard let link = removeLink(id) else { return }
        if closing { emit(.close(id)) }
        emit(.neighbourGone(link.remote, link.role))
        forgetRepairs(by: id, at: now)
        switch link.role {
        case .parent:
            parentLost(id, reason, at: now)
        case .child:
            if leaveDeadline == nil { emit(.childLost(link.remote, reason)) }
            updateFlow(at: now)
            noteCompletion(at: now)
        }
        finishLeaving(at: now)
    }

    /// Says why, then closes.
    mutating func dismiss(_ id: LinkID, _ reason: LinkCloseReason, _ loss: LossReason, at now: Instant) {
        send(.close(reason), on: id, at: now)
        lose(id, loss, closing: true, at: now)
    }

    /// The server says that a peer has another parent now. The link is left to the child, which closes it once the new
    /// parent feeds it; only a plain child, which cannot know, is cut off here.
    mutating func release(_ remote: RemoteID, at now: Instant) {
        for link in links.values where link.role == .child && link.remote == remote && link.mode == .plain {
            _ = removeLink(link.id)
            emit(.close(link.id))
            emit(.neighbourGone(remote, .child))
        }
        updateFlow(at: now)
        noteCompletion(at: now)
    }

    mutating func drained(_ id: LinkID, _ buffered: Int, at now: Instant) {
        guard links[id] != nil else { return }
        links[id]?.buffered = buffered
        links[id]?.lastProgress = now
        pump(id, at: now)
        updateFlow(at: now)
        if links[id]?.mode == .plain { noteCompletion(at: now) }
    }

    mutating func leave(at now: Instant) {
        guard leaveDeadline == nil else { return }
        leaveDeadline = now + configuration.leaveTimeout
        for link in links.values where link.role == .child {
            send(.close(.leaving), on: link.id, at: now)
        }
        finishLeaving(at: now)
    }

    /// Leaving is over once no child depends on this peer.
    mutating func finishLeaving(at now: Instant) {
        guard let leaveDeadline, leaveDeadline != .distantFuture else { return }
        let childrenRemain = children.contains { links[$0]?.isComplete == false }
        guard !childrenRemain || leaveDeadline <= now else { return }
        for link in links.values {
            send(.close(.leaving), on: link.id, at: now)
            emit(.close(link.id))
        }
        links.removeAll()
        children.removeAll()
        upstreams = upstreams.map { _ in Upstream(phase: .waiting(retry: .distantFuture)) }
        self.leaveDeadline = .distantFuture
        emit(.left)
    }

    // MARK: Time

    mutating func tick(at now: Instant) {
        forgiveOwnPause(at: now)
        watchLinks(at: now)
        watchUpstreams(at: now)
        watchRepairs(at: now)
        watchChildren(at: now)
        if let endDeadline, endDeadline <= now { end(.sourceLost) }
        finishLeaving(at: now)
        lastTick = now
        nextTick = isTicking ? now + tickInterval : .distantFuture
    }

    /// A machine that slept for a while has heard nobody; that does not mean that everybody died.
    private mutating func forgiveOwnPause(at now: Instant) {
        guard let lastTick else { return }
        let pause = now - lastTick
        guard pause.nanoseconds > tickInterval.nanoseconds * 3 else { return }
        for id in links.keys {
            guard let heard = links[id]?.lastHeard else { continue }
            links[id]?.lastHeard = min(now, heard + pause)
        }
    }

    private mutating func watchLinks(at now: Instant) {
        for link in links.values where link.mode == .native {
            if now - link.lastHeard >= configuration.silenceTimeout {
                lose(link.id, .silent, closing: true, at: now)
            } else if now - link.lastSent >= configuration.heartbeatInterval {
                sendHeartbeat(on: link, at: now)
            }
        }
    }

    private mutating func sendHeartbeat(on link: Link, at now: Instant) {
        if link.role == .parent { sendCredit(on: link.id, forced: false, at: now) }
        let echo = link.heartbeatToEcho
        let held = echo.map { (now - $0.at).nanoseconds / 1000 } ?? 0
        let frame = ControlFrame.heartbeat(
            timestamp: now.nanoseconds / 1000,
            echo: echo?.timestamp ?? 0,
            held: UInt32(clamping: held)
        )
        links[link.id]?.heartbeatToEcho = nil
        send(frame, on: link.id, at: now)
    }

    mutating func heartbeat(timestamp: UInt64, echo: UInt64, held: UInt32, on id: LinkID, at now: Instant) {
        links[id]?.heartbeatToEcho = (timestamp, now)
        guard echo > 0 else { return }
        let elapsed = now.nanoseconds / 1000
        guard elapsed >= echo, elapsed - echo >= UInt64(held) else { return }
        links[id]?.roundTripTime = .microseconds(elapsed - echo - UInt64(held))
    }
}
