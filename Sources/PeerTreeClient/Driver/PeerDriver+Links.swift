import Logging
import NIOCore
import PeerTreeCore
import SocketIO
import WebRTC

// Signalling sessions, peer connections and data channels.

extension PeerDriver {
    /// Offers a connection to an assigned parent.
    func connect(_ remote: RemoteID) {
        let name = remotes.name(remote)
        do {
            let connection = try makeConnection()
            let session = Session(
                id: Self.makeSessionID(),
                remote: remote,
                remoteName: name,
                role: .parent,
                connection: connection,
                isNative: false
            )
            sessions[session.id] = session
            watch(session)
            let channel = try connection.createDataChannel(label: "peer-tree")
            adopt(channel, session)
            let offer = SignallingEvent.Signal.description(try connection.createOffer())
            // An original server passes metadata on as well: native peers find each other there too.
            let metadata: JSONValue = ["peerTree": ["v": 1]]
            let payload: JSONValue = [
                "signal": offer.json, "metadata": metadata, "sessionId": .string(session.id), "target": .string(name),
            ]
            emit("simple-signal[offer]", payload)
        } catch {
            logger.warning("no connection can be made", metadata: ["error": "\(error)"])
            failConnect(remote, .unreachable)
        }
    }

    /// Reports a failure after the output that caused it was carried out.
    private func failConnect(_ remote: RemoteID, _ reason: LossReason) {
        eventLoop.execute { self.assumeIsolated { $0.feed(.connectFailed(remote, reason)) } }
    }

    func cancelConnect(_ remote: RemoteID) {
        let attempts = sessions.values.filter { $0.remote == remote && $0.role == .parent && $0.link == nil }
        for session in attempts { drop(session) }
    }

    /// Answers somebody who was placed under this peer.
    func accept(_ offer: SignallingEvent.Offer) {
        guard !isClosed, !isLeaving, sessions.count < configuration.maximumSessions, sessions[offer.sessionID] == nil,
            case .description(let description) = offer.signal, description.type == .offer
        else {
            reject(offer, "no room for another peer")
            return
        }
        do {
            let connection = try makeConnection()
            let session = Session(
                id: offer.sessionID,
                remote: remotes.number(offer.initiator),
                remoteName: offer.initiator,
                role: .child,
                connection: connection,
                isNative: offer.isNative
            )
            sessions[session.id] = session
            watch(session)
            try connection.setRemoteDescription(description)
            let answer = SignallingEvent.Signal.description(try connection.createAnswer())
            let metadata: JSONValue = offer.isNative ? ["peerTree": ["v": 1]] : .null
            let payload: JSONValue = [
                "signal": answer.json, "metadata": metadata, "sessionId": .string(session.id),
                "target": .string(offer.initiator),
            ]
            emit("simple-signal[signal]", payload)
        } catch {
            logger.debug("an offer was refused", metadata: ["peer": "\(offer.initiator)", "error": "\(error)"])
            if let session = sessions[offer.sessionID] { drop(session) }
            reject(offer, "\(error)")
        }
    }

    private func reject(_ offer: SignallingEvent.Offer, _ reason: String) {
        let payload: JSONValue = [
            "metadata": ["reason": .string(reason)], "sessionId": .string(offer.sessionID),
            "target": .string(offer.initiator),
        ]
        emit("simple-signal[reject]", payload)
    }

    /// An answer or a candidate from the other end of a session.
    func signal(_ sessionID: String, _ signal: SignallingEvent.Signal, isNative: Bool) {
        guard let session = sessions[sessionID] else { return }
        do throws(WebRTCError) {
            switch signal {
            case .description(let description) where description.type == .offer:
                try answerRestart(description, session)
            case .description(let description):
                guard session.role == .parent else { return }
                if session.link == nil { session.isNative = isNative }
                try session.connection.setRemoteDescription(description)
                if session.link != nil { iceRestarts += 1 }
                if session.hasEndedCandidates { sayEndOfCandidates(session) }
            case .candidate(let candidate):
                try session.connection.addICECandidate(candidate)
            case .renegotiate:
                recover(session)
            case .other:
                break
            }
        } catch {
            logger.debug("a signal was refused", metadata: ["peer": "\(session.remoteName)", "error": "\(error)"])
        }
    }

    func rejected(_ sessionID: String) {
        guard let session = sessions[sessionID], session.role == .parent, session.link == nil else { return }
        drop(session)
        feed(.connectFailed(session.remote, .refused))
    }

    // MARK: Events of the connection

    private func watch(_ session: Session) {
        session.connection.onICECandidate = { [self] candidate in trickle(candidate, session) }
        session.connection.onDataChannel = { [self] channel in
            guard session.role == .child, session.channel == nil else {
                channel.close()
                return
            }
            adopt(channel, session)
            opened(session)
        }
        session.connection.onConnectionStateChange = { [self] state in
            switch state {
            case .failed, .closed: lost(session)
            case .disconnected: recover(session)
            case .new, .connecting, .connected: break
            }
        }
    }

    private func adopt(_ channel: DataChannel, _ session: Session) {
        session.channel = channel
        channel.bufferedAmountLowThreshold = lowWater
        channel.onOpen = { [self] in opened(session) }
        channel.onClose = { [self] in lost(session) }
        channel.onMessage = { [self] message, kind in
            guard let link = session.link else { return }
            feed(.received(link, message, isText: kind == .text))
        }
        channel.onBufferedAmountLow = { [self] in
            guard let link = session.link else { return }
            setLowThreshold(session, channel)
            feed(.drained(link, buffered: channel.bufferedAmount))
        }
    }

    private func trickle(_ candidate: IceCandidate, _ session: Session) {
        guard sessions[session.id] === session else { return }
        guard candidate.candidate.isEmpty else { return send(.candidate(candidate), session) }
        session.hasEndedCandidates = true
        sayEndOfCandidates(session)
    }

    /// simple-peer knows no end of candidates: only our own kind is told.
    private func sayEndOfCandidates(_ session: Session) {
        guard session.isNative else { return }
        send(.candidate(IceCandidate(candidate: "", sdpMid: "0", sdpMLineIndex: 0)), session)
    }

    private func opened(_ session: Session) {
        guard session.link == nil, sessions[session.id] === session else { return }
        let link = LinkID(nextLink)
        nextLink &+= 1
        session.link = link
        sessionOfLink[link] = session
        feed(.linkOpened(link, session.remote, session.role, session.isNative ? .native : .plain))
    }

    /// The connection is over, by whichever event says so first.
    private func lost(_ session: Session) {
        guard sessions[session.id] === session else { return }
        let link = session.link
        drop(session)
        if let link {
            feed(.linkClosed(link))
        } else if session.role == .parent {
            feed(.connectFailed(session.remote, .unreachable))
        }
    }

    /// The peer is done with a link: what was sent still goes out, then it closes.
    func close(_ link: LinkID) {
        guard let session = sessionOfLink.removeValue(forKey: link) else { return }
        session.link = nil
        sessions[session.id] = nil
        session.channel?.close()
        // The channel's reset needs the association a little longer; the other end may be dead and never answer.
        let leaveTimeout = Int64(clamping: configuration.peer.leaveTimeout.nanoseconds)
        let patience: TimeAmount = session.isNative ? .milliseconds(300) : .nanoseconds(leaveTimeout)
        closing.append(session)
        finishClosing(session, by: .now() + patience)
        remotes.keepOnly(Set(sessions.values.map { $0.remote }))
    }

    /// A plain neighbour does not say what it has received: its connection lasts until it has acknowledged everything.
    private func finishClosing(_ session: Session, by deadline: NIODeadline) {
        let isDelivered = !session.isNative && !session.connection.hasUnacknowledgedData
        guard !isDelivered, deadline > .now() else {
            closing.removeAll { $0 === session }
            session.connection.close()
            return
        }
        let bound = NIOLoopBound(session, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .milliseconds(20)) {
            self.assumeIsolated { $0.finishClosing(bound.value, by: deadline) }
        }
    }

    /// Waits until plain neighbours whose links were closed have what was sent to them, or their time is over.
    func delivered() async {
        while closing.contains(where: { !$0.isNative }) {
            // Unlike a sleeping task this is not cut short by cancellation, which is often why the peer leaves.
            try? await eventLoop.scheduleTask(in: .milliseconds(20)) {}.futureResult.get()
        }
    }

    func drop(_ session: Session) {
        sessions[session.id] = nil
        if let link = session.link { sessionOfLink[link] = nil }
        session.connection.close()
    }

    private static func makeSessionID() -> String {
        var random = SystemRandomNumberGenerator()
        return String(random.next(), radix: 36) + String(random.next(), radix: 36)
    }
}
