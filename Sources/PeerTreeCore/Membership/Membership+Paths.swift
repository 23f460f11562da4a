// New paths for links whose old ones have died: ICE restarts (RFC 8445, section 2.4), which the end offers that offered
// first. The link stays; should nothing come of it, silence ends it.

extension Membership {
    mutating func pathChanged(_ link: LinkID, _ state: PathState, at now: Instant) {
        guard var session = sessions[link] else { return }
        session.path = state
        sessions[link] = session
        switch state {
        case .connected: break
        case .disconnected: recover(session, at: now)
        case .failed: closed(link)
        }
    }

    /// The host has found out whether the path leads over a TURN server.
    mutating func relayed(_ link: LinkID, _ isRelayed: Bool) {
        guard var session = sessions[link], session.isRelayed != isRelayed else { return }
        session.isRelayed = isRelayed
        sessions[link] = session
        if session.phase == .open { emit(.linkRelayed(link, isRelayed)) }
    }

    /// The application knows of better paths.
    mutating func restartPaths(at now: Instant) {
        for session in sessions.values { recover(session, at: now) }
    }

    /// Asks for new paths where the old ones have died while the server was away: what was asked for meanwhile did not
    /// get through.
    mutating func recoverPaths(at now: Instant) {
        for var session in sessions.values where session.path == .disconnected {
            session.restartedAt = nil
            sessions[session.id] = session
            recover(session, at: now)
        }
    }

    mutating func networkChanged(_ isLost: Bool, at now: Instant) {
        guard phase == .member else { return }
        for session in sessions.values where session.path == .disconnected { recover(session, at: now) }
        // The socket to the server may have ended with the address, which TCP would take minutes to notice.
        if isLost { emit(.reconnectServer) }
    }

    mutating func recover(_ session: Session, at now: Instant) {
        guard session.isNative, session.phase == .open, server.isConnected else { return }
        if let last = session.restartedAt, now - last < configuration.restartInterval { return }
        var session = session
        session.restartedAt = now
        session.awaitsAnswer = session.role == .parent
        sessions[session.id] = session
        switch session.role {
        case .parent: emit(.restart(session.id))
        case .child: send(.renegotiate, session)
        }
    }
}
