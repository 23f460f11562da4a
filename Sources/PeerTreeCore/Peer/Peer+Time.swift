// When this peer has to be called, and what it does then.
//
// Each timer says its own next instant and is carried out no sooner, so a call before the deadline changes nothing. What
// it does at its instant moves that into the future, or ends the timer.

extension Peer {
    /// When ``PeerInput/tick`` is due; with every input it may become another instant. A tick before changes nothing.
    public var deadline: Instant {
        if case .left = departure { return .distantFuture }
        var next = min(linkDeadline, upstreamDeadline)
        next = min(next, min(standbyDeadline, pullDeadline))
        next = min(next, min(repair.deadline, min(admissionDeadline, pulseDeadline)))
        next = min(next, min(links.absences.deadline, min(arrearsDeadline, budgetDeadline)))
        next = min(next, min(signingDeadline, announcementDeadline))
        return min(next, min(ending.deadline ?? .distantFuture, departure.deadline))
    }

    mutating func tick(at now: Instant) {
        watchLinks(at: now)
        watchUpstreams(at: now)
        watchStandby(at: now)
        watchPull(at: now)
        watchPulse(at: now)
        watchRepairs(at: now)
        watchAdmissions(at: now)
        watchAbsences(at: now)
        watchArrears(at: now)
        watchBudgets(at: now)
        watchSigner(at: now)
        watchAnnouncements(at: now)
        if let deadline = ending.deadline, deadline <= now { end(.sourceLost) }
    }

    /// A machine that slept for a while has heard nobody; that does not mean that everybody died.
    mutating func noteCall(at now: Instant) {
        defer { lastCall = now }
        let tolerance = TimeSpan(nanoseconds: configuration.heartbeatInterval.nanoseconds / 2 * 3)
        guard now - lastCall > tolerance else { return }
        let pause = now - max(lastCall, deadline)
        guard pause > tolerance else { return }
        backup.pull.forgive(pause, until: now)
        for id in links.keys {
            links.update(id) { link in
                link.liveness.forgive(pause, until: now)
                link.feeding.arrears.forgive(pause, until: now)
            }
        }
    }

    // MARK: Signs of life

    /// How often a neighbour is given one, and how long it may go without giving one.
    private func signsOfLife(on link: Link) -> (interval: TimeSpan, silence: TimeSpan) {
        let isWarm = isWarm(link)
        let interval = isWarm ? configuration.warmHeartbeatInterval : configuration.heartbeatInterval
        return (
            max(interval, .milliseconds(1)),
            isWarm ? configuration.warmSilenceTimeout : configuration.silenceTimeout
        )
    }

    /// When the next sign of life goes out: after an interval in which nothing was sent, or when it is time to measure the
    /// round trip of a link that is too busy for that.
    private func heartbeatDeadline(on link: Link, _ interval: TimeSpan) -> Instant {
        let next = link.liveness.lastSent + interval
        guard stream.policy == .live, link.role == .child, !isWarm(link) else { return next }
        return min(next, link.queue.handOut.nextMeasurement)
    }

    private var linkDeadline: Instant {
        var next = Instant.distantFuture
        for link in links.values where link.mode == .native {
            let (interval, silence) = signsOfLife(on: link)
            next = min(next, min(link.liveness.lastHeard + silence, heartbeatDeadline(on: link, interval)))
        }
        return next
    }

    private mutating func watchLinks(at now: Instant) {
        var isAnyDue = false
        for link in links.values where link.mode == .native {
            let (interval, silence) = signsOfLife(on: link)
            if link.liveness.lastHeard + silence <= now {
                lose(link.id, .silent, closing: true, at: now)
            } else if heartbeatDeadline(on: link, interval) <= now {
                isAnyDue = true
            }
        }
        if isAnyDue { sendHeartbeats(at: now) }
    }

    /// All that would be due soon go out together, so that a peer wakes up once an interval and not once for each link.
    private mutating func sendHeartbeats(at now: Instant) {
        for link in links.values where link.mode == .native {
            let (interval, _) = signsOfLife(on: link)
            let isSoon = now - link.liveness.lastSent >= TimeSpan(nanoseconds: interval.nanoseconds / 2)
            if isSoon || heartbeatDeadline(on: link, interval) <= now { sendHeartbeat(on: link, at: now) }
        }
    }

    private mutating func sendHeartbeat(on link: Link, at now: Instant) {
        if link.role == .parent, !isWarm(link) { sendCredit(on: link.id, forced: false, at: now) }
        let echo = link.liveness.heartbeatToEcho
        let held = echo.map { (now - $0.at).nanoseconds / 1000 } ?? 0
        let frame = ControlFrame.heartbeat(
            timestamp: now.nanoseconds / 1000,
            echo: echo?.timestamp ?? 0,
            held: UInt32(clamping: held)
        )
        links.update(link.id) { link in
            link.liveness.heartbeatToEcho = nil
            link.queue.handOut.asked(at: now)
        }
        send(frame, on: link.id, at: now)
    }
}
