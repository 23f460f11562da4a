// Links come of sessions: the joiner offers, the parent answers, both send candidates.

extension Membership {
    // MARK: Toward a parent

    mutating func connect(_ remote: RemoteID) {
        cancelConnect(remote)
        let name = makeSessionName()
        var session = Session(
            id: makeLink(),
            name: name,
            remote: remote,
            role: .parent,
            isNative: false,
            // The peer gives up by itself.
            deadline: .distantFuture,
            isRemoteDescribed: false
        )
        guard sessions.liveCount < configuration.maximumSessions else {
            return emit(.connectFailed(remote, .unreachable))
        }
        session.awaitsAnswer = true
        sessions[session.id] = session
        emit(.connect(session.id, iceServers: iceServers.list))
    }

    /// 128 bits that nobody guesses, in letters and digits.
    private mutating func makeSessionName() -> Text {
        var bytes: [UInt8] = []
        for _ in 0..<2 {
            var rest = makeNumber()
            for _ in 0..<13 {
                let digit = UInt8(truncatingIfNeeded: rest % 32)
                bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
                rest /= 32
            }
        }
        return Text(bytes)
    }

    mutating func cancelConnect(_ remote: RemoteID) {
        for session in sessions.values where session.remote == remote && session.role == .parent && session.isPending {
            drop(session)
        }
    }

    /// Half of what connecting takes may have been lost with the server: begin anew with what it says now.
    mutating func abandonAttempts() {
        for session in sessions.values where session.role == .parent && session.isPending { fail(session) }
    }

    mutating func rejected(_ name: Text) {
        guard let session = sessions.named(name), session.role == .parent, session.isPending else { return }
        drop(session)
        emit(.connectFailed(session.remote, .refused))
    }

    // MARK: Toward a child

    mutating func offered(_ name: Text, _ initiator: Text, _ sdp: Text, _ isNative: Bool, at now: Instant) {
        guard let refusal = refusalOfOffer(name, by: remotes.known(initiator)) else {
            accept(name, initiator, sdp, isNative, at: now)
            return
        }
        tell(.reject(session: name, to: initiator, reason: refusal))
    }

    private func refusalOfOffer(_ name: Text, by remote: RemoteID?) -> Text? {
        guard phase == .member else { return "leaving" }
        guard sessions.named(name) == nil else { return "the session exists" }
        let isExpected = !server.isNative || remote.map { place.expects($0) } == true
        let hasRoom = sessions.liveCount < configuration.maximumSessions && (isExpected || hasRoomForStranger(remote))
        return hasRoom ? nil : "no room for another peer"
    }

    /// A server names a child before the child learns of its parent; but one that has lost its memory knows nobody for a
    /// while. So whoever is not named may come, and must not keep out those who are.
    private func hasRoomForStranger(_ remote: RemoteID?) -> Bool {
        // One that offers again has given the last attempt up.
        let strangers = sessions.values.filter { session in
            session.role == .child && !session.isClosing && session.remote != remote && !place.expects(session.remote)
        }
        return strangers.count < configuration.maximumStrangers
    }

    private mutating func accept(_ name: Text, _ initiator: Text, _ sdp: Text, _ isNative: Bool, at now: Instant) {
        let remote = remotes.number(of: initiator)
        // Whoever offers again has given the last attempt up.
        for other in sessions.values where other.remote == remote && other.role == .child && other.isPending {
            drop(other)
        }
        let session = Session(
            id: makeLink(),
            name: name,
            remote: remote,
            role: .child,
            isNative: isNative,
            deadline: now + configuration.sessionTimeout,
            isRemoteDescribed: true
        )
        sessions[session.id] = session
        emit(.accept(session.id, offer: sdp, iceServers: iceServers.list))
    }

    // MARK: Signals

    mutating func signalled(_ name: Text, _ signal: ServerEvent.Signal, _ isNative: Bool, at now: Instant) {
        guard var session = sessions.named(name) else { return }
        switch signal {
        case .answer(let sdp):
            guard session.role == .parent, session.awaitsAnswer else { return }
            session.awaitsAnswer = false
            if session.phase == .open { restartCount += 1 } else { session.isNative = isNative }
            takeDescription(&session, .takeAnswer(session.id, sdp: sdp))
            sessions[session.id] = session
            if session.hasEndedCandidates { sayEndOfCandidates(session) }
        case .offer(let sdp):
            guard session.role == .child, session.isNative, session.phase == .open else { return }
            restartCount += 1
            emit(.answer(session.id, offer: sdp))
        case .candidate(let candidate):
            if session.isRemoteDescribed {
                emit(.addCandidate(session.id, candidate))
            } else if session.early.count < Self.maximumEarlyCandidates {
                session.early.append(candidate)
                sessions[session.id] = session
            }
        case .renegotiate:
            // Who offered first offers again; the other end's wish must not come back to it.
            if session.role == .parent { recover(session, at: now) }
        }
    }

    /// So many candidates may come before the description they belong to.
    private static var maximumEarlyCandidates: Int { 64 }

    private mutating func takeDescription(_ session: inout Session, _ output: MembershipOutput) {
        emit(output)
        session.isRemoteDescribed = true
        for candidate in session.early { emit(.addCandidate(session.id, candidate)) }
        session.early.removeAll()
    }

    /// The host has described the own end: candidates may follow.
    mutating func described(_ link: LinkID, _ sdp: Text) {
        guard var session = sessions[link], !session.isClosing else { return }
        let target = remotes.name(of: session.remote)
        if session.role == .parent, session.phase == .describing {
            tell(.offer(session: session.name, to: target, sdp: sdp))
        } else {
            send(session.role == .parent ? .offer(sdp: sdp) : .answer(sdp: sdp), session)
        }
        if session.phase == .describing { session.phase = .connecting }
        let unsent = session.unsent
        session.unsent.removeAll()
        sessions[link] = session
        for candidate in unsent { send(.candidate(candidate), session) }
        if session.hasEndedCandidates, session.role == .child { sayEndOfCandidates(session) }
    }

    mutating func found(_ candidate: Text?, _ link: LinkID) {
        guard var session = sessions[link], !session.isClosing else { return }
        guard let candidate else {
            session.hasEndedCandidates = true
            sessions[link] = session
            if session.phase != .describing { sayEndOfCandidates(session) }
            return
        }
        guard session.phase == .describing else { return send(.candidate(candidate), session) }
        session.unsent.append(candidate)
        sessions[link] = session
    }

    /// simple-peer knows no end of candidates: only our own kind is told, once it is known to be that.
    private mutating func sayEndOfCandidates(_ session: Session) {
        guard session.isNative else { return }
        send(.candidate(#"{"candidate":"","sdpMLineIndex":0,"sdpMid":"0"}"#), session)
    }

    mutating func send(_ signal: ServerEvent.Signal, _ session: Session) {
        let target = remotes.name(of: session.remote)
        tell(.signal(session: session.name, to: target, signal, isNative: session.isNative))
    }

    // MARK: Links

    mutating func opened(_ link: LinkID) {
        guard var session = sessions[link], session.isPending else { return }
        session.phase = .open
        sessions[link] = session
        emit(.linkOpened(link, session.remote, session.role, session.isNative ? .native : .plain))
        if session.isRelayed { emit(.linkRelayed(link, true)) }
    }

    mutating func closed(_ link: LinkID) {
        guard let session = sessions[link] else { return }
        lose(session)
        finishLeaving()
    }

    /// The connection is over, by whichever event says so first.
    private mutating func lose(_ session: Session) {
        switch session.phase {
        case .open:
            drop(session)
            emit(.linkClosed(session.id))
        case .describing, .connecting: fail(session)
        case .closing: drop(session)
        }
    }

    /// No link comes of a session.
    private mutating func fail(_ session: Session) {
        drop(session)
        if session.role == .parent { emit(.connectFailed(session.remote, .unreachable)) }
    }

    mutating func connectionFailed(_ link: LinkID) {
        // The path of an open link may fail to be renewed: should nothing come of it, silence ends the link.
        guard let session = sessions[link], session.phase != .open else { return }
        if session.role == .child, session.phase == .describing {
            tell(.reject(session: session.name, to: remotes.name(of: session.remote), reason: "no connection"))
        }
        lose(session)
        finishLeaving()
    }

    /// The peer is done with a link: what was sent still goes out, then the connection is closed.
    mutating func close(_ link: LinkID, at now: Instant) {
        guard var session = sessions[link], session.phase == .open else { return }
        let patience = session.isNative ? configuration.nativePatience : configuration.plainPatience
        session.phase = .closing(deadline: now + patience)
        sessions[link] = session
        emit(.closeChannel(link))
    }

    mutating func drop(_ session: Session) {
        sessions[session.id] = nil
        emit(.closeConnection(session.id))
    }

    mutating func timeOutSessions(at now: Instant) {
        for session in sessions.values where session.nextDeadline <= now { lose(session) }
        finishLeaving()
    }
}
