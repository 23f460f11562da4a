import Logging
import NIOCore
import PeerTreeCore
import SocketIO
import WebRTC

// Where the links' datagrams go: STUN and TURN servers, and new paths when old ones die.

extension PeerDriver {
    /// Pause between two attempts to find a new path for a link.
    private static let restartInterval = TimeAmount.seconds(2)

    func makeConnection() throws(WebRTCError) -> PeerConnection {
        // Own servers come first; without any from the signalling server, the transport's configuration holds.
        guard let iceServers else { return try transport.makePeerConnection() }
        return try transport.makePeerConnection(iceServers: configuration.webRTC.iceServers + iceServers)
    }

    /// Takes servers from an answer or an event, and asks again before their credentials expire.
    func take(_ list: ICEServerList) {
        iceServers = list.servers
        iceServersTask?.cancel()
        iceServersTask = nil
        guard let lifetime = list.lifetime else { return }
        let pause = TimeAmount.seconds(max(1, Int64(min(lifetime, 1 << 30)) / 4 * 3))
        iceServersTask = eventLoop.scheduleTask(in: pause) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.renewICEServers() }
        }
    }

    private func renewICEServers() {
        guard !isClosed else { return }
        emit("peer-tree[ice-servers]", [:])
    }

    // MARK: New paths

    /// Watches this host's addresses from the first link on.
    func observeNetwork() {
        guard stopObservingNetwork == nil else { return }
        stopObservingNetwork = transport.observeNetworkChanges { [weak self] change in
            self?.assumeIsolated { $0.networkChanged(change) }
        }
    }

    private func networkChanged(_ change: NetworkChange) {
        guard treeID != nil, !isClosed, !isLeaving else { return }
        for session in sessions.values where session.connection.iceConnectionState == .disconnected {
            recover(session)
        }
        guard !change.removed.isEmpty else { return }
        // The connection to the server may have ended with the address, which TCP would take minutes to notice.
        logger.debug("an address of this host is gone: connecting to the server anew")
        socket.disconnect()
        socket.connect()
    }

    /// Asks for new paths for all links.
    func restartICE() {
        for session in sessions.values { recover(session) }
    }

    /// Asks for new paths where the old ones have died while the server was away.
    func recoverAll() {
        for session in sessions.values where session.connection.iceConnectionState == .disconnected {
            // What was asked for meanwhile may not have got through.
            session.restartedAt = nil
            recover(session)
        }
    }

    /// Finds a new path for a link whose path has died: an ICE restart, which the end offers that offered first. The
    /// link stays; should nothing come of it, silence ends it.
    func recover(_ session: Session) {
        guard session.isNative, session.link != nil, sessions[session.id] === session, !isClosed else { return }
        let now = NIODeadline.now()
        if let last = session.restartedAt, now - last < Self.restartInterval { return }
        session.restartedAt = now
        guard session.role == .parent else { return send(.renegotiate, session) }
        do throws(WebRTCError) {
            send(.description(try session.connection.createOffer(iceRestart: true)), session)
        } catch {
            logger.debug("no restart", metadata: ["peer": "\(session.remoteName)", "error": "\(error)"])
        }
    }

    /// The other end of a link looks for a new path.
    func answerRestart(_ offer: SessionDescription, _ session: Session) throws(WebRTCError) {
        guard session.isNative, session.role == .child else { return }
        try session.connection.setRemoteDescription(offer)
        send(.description(try session.connection.createAnswer()), session)
        iceRestarts += 1
    }

    /// Sends a signal within a session.
    func send(_ signal: SignallingEvent.Signal, _ session: Session) {
        let isDescription =
            switch signal {
            case .description: true
            case .candidate, .renegotiate, .other: false
            }
        let metadata: JSONValue = session.isNative && isDescription ? ["peerTree": ["v": 1]] : .null
        let payload: JSONValue = [
            "signal": signal.json, "metadata": metadata, "sessionId": .string(session.id),
            "target": .string(session.remoteName),
        ]
        emit("simple-signal[signal]", payload)
    }
}
