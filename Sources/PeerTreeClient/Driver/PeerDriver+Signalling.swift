import Logging
import NIOCore
import PeerTreeCore
import SocketIO

// What the signalling server says, and asking it for a place.

extension PeerDriver {
    /// Subscribes to the socket's events; they are handled in the order in which they came.
    nonisolated func listen() {
        for name in SignallingEvent.names {
            socket.on(name) { event in
                let payload = event[0] ?? .null
                self.eventLoop.execute { self.assumeIsolated { $0.receive(name, payload) } }
            }
        }
        socket.onConnect { [self] in eventLoop.execute { self.assumeIsolated { $0.serverConnected() } } }
        socket.onDisconnect { [self] _ in eventLoop.execute { self.assumeIsolated { $0.serverLost() } } }
        socket.onConnectError { [self] error in
            let reason = error.message
            eventLoop.execute { self.assumeIsolated { $0.serverUnreachable(reason) } }
        }
    }

    private func receive(_ name: String, _ payload: JSONValue) {
        guard !isClosed else { return }
        do throws(MalformedSignal) {
            handle(try SignallingEvent(name: name, payload: payload))
        } catch {
            logger.debug("the server sent something else", metadata: ["event": "\(name)", "member": "\(error.member)"])
        }
    }

    private func handle(_ event: SignallingEvent) {
        switch event {
        case .discovered(let discovery): discovered(discovery)
        case .discoveryFailed(let code, let message): discoveryFailed(code, message)
        case .offer(let offer): accept(offer)
        case .signal(let sessionID, let signal, let isNative): self.signal(sessionID, signal, isNative: isNative)
        case .reject(let sessionID): rejected(sessionID)
        case .assign(let assignment): assign(assignment)
        case .childGone(let id): feed(.childReleased(remotes.number(id)))
        case .suspect: break  // Heartbeats find out by themselves, and report.
        case .end: feed(.treeEnded)
        case .tree(let summary):
            self.summary = summary
            events.publish(.tree(summary))
        case .statusInterval(let seconds): paceReports(seconds)
        case .refused(let code, let message): refused(code, message)
        case .renewed(let token): resumeToken = token
        case .goingAway: events.publish(.serverGoingAway)
        case .iceServers(let list): take(list)
        }
    }

    private func refused(_ code: String, _ message: String) {
        logger.debug("the server refused", metadata: ["code": "\(code)", "message": "\(message)"])
        events.publish(.refused(code: code, message: message))
        // The place was given away because no link came about in time: what is still held is worth a new one.
        if code == "attach-timeout", !isSource, !isLeaving {
            socket.emit("simple-signal[discover]", request(resuming: nil))
        }
    }

    private func assign(_ assignment: SignallingEvent.Assignment) {
        let remote = remotes.number(assignment.parent)
        feed(.assigned(remote, stripe: assignment.stripe, epoch: assignment.epoch))
    }

    // MARK: Finding a place

    /// Asks the server for a new tree, or for a place in one.
    ///
    /// - Parameter tree: the tree to join; nil to create one.
    /// - Returns: the id of the tree.
    func enter(_ tree: String?) async throws -> String {
        if isClosed { throw PeerTreeError.closed }
        if let treeID { throw PeerTreeError.alreadyInTree(treeID) }
        if discovery != nil { throw PeerTreeError.alreadyInTree(requestedTree ?? "") }
        requestedTree = tree
        isSource = tree == nil
        let answer = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                discovery = continuation
                let timeout = configuration.discoverTimeout
                discoveryTimer = eventLoop.scheduleTask(in: timeout) {
                    self.assumeIsolated {
                        $0.failDiscovery(.serverTimeout(seconds: Int(timeout.nanoseconds / 1_000_000_000)))
                    }
                }
                socket.emit("simple-signal[discover]", request(resuming: nil))
            }
        } onCancel: {
            eventLoop.execute { self.assumeIsolated { $0.failDiscovery(.closed) } }
        }
        begin(answer)
        return answer.treeID
    }

    private func request(resuming token: String?) -> JSONValue {
        var extra: JSONObject = ["v": 1, "agent": "peer-tree"]
        if let token {
            extra["resume"] = .string(token)
            extra["place"] = place
        } else {
            if isSource { extra["stripes"] = JSONValue(configuration.peer.stripes) }
            if let capacity = configuration.capacity { extra["capacity"] = JSONValue(capacity) }
        }
        if let tree = treeID ?? requestedTree { return ["treeID": .string(tree), "peerTree": .object(extra)] }
        return ["createNew": true, "peerTree": .object(extra)]
    }

    private func discovered(_ answer: SignallingEvent.Discovery) {
        ownID = answer.id
        if let token = answer.native?.resumeToken { resumeToken = token }
        if let list = answer.native?.iceServers { take(list) }
        if let waiting = discovery {
            discovery = nil
            discoveryTimer?.cancel()
            waiting.resume(returning: answer)
            return
        }
        // The answer to a resumed or repeated discovery: only the parents may have changed.
        guard treeID == answer.treeID else { return }
        place(answer)
        recoverAll()
    }

    private func begin(_ answer: SignallingEvent.Discovery) {
        treeID = answer.treeID
        isNativeServer = answer.native != nil
        var random = SystemRandomNumberGenerator()
        var limits = configuration.peer
        if !isSource { limits.stripes = answer.native?.stripes ?? 1 }
        peer = isSource ? .source(limits, streamID: random.next()) : .viewer(limits, streamID: random.next())
        events.publish(.discover(treeID: answer.treeID, id: answer.id))
        observeNetwork()
        place(answer)
        startReporting()
    }

    private func place(_ answer: SignallingEvent.Discovery) {
        guard !isSource else { return }
        if let native = answer.native {
            for parent in native.parents { assign(parent) }
        } else if let parent = answer.peers.first, !isOwnOrBelow(parent) {
            assign(SignallingEvent.Assignment(parent: parent, stripe: 0, epoch: 0))
        }
    }

    /// An original server may place whoever discovers again below itself, since it knows of no loss before a socket
    /// ends. Such an answer is passed over: an orphan asks again.
    private func isOwnOrBelow(_ id: String) -> Bool {
        id == ownID || sessions.values.contains { $0.role == .child && $0.remoteName == id }
    }

    private func discoveryFailed(_ code: String?, _ message: String) {
        if discovery != nil {
            let isUnknown = code == "unknown-tree" || message == "Tree does not exist."
            failDiscovery(
                isUnknown ? .unknownTree(requestedTree ?? "") : .refused(code: code ?? "error", message: message)
            )
        } else if code == "unknown-resume", !isSource {
            // The server has forgotten this peer: it joins anew, and goes on where it stands.
            resumeToken = nil
            socket.emit("simple-signal[discover]", request(resuming: nil))
        } else if let code, Self.transientRefusals.contains(code), !isSource {
            eventLoop.scheduleTask(in: .seconds(2)) { self.assumeIsolated { $0.askAgain() } }
        } else {
            // The tree ended while the server was away.
            feed(.treeEnded)
        }
    }

    /// Refusals of a place that may be free in a moment.
    private static let transientRefusals: Set<String> = ["tree-full", "server-full", "too-many-joins"]

    private func askAgain() {
        guard !isClosed, !isLeaving, end == nil else { return }
        socket.emit("simple-signal[discover]", request(resuming: resumeToken))
    }

    func failDiscovery(_ error: PeerTreeError) {
        discoveryTimer?.cancel()
        guard let waiting = discovery else { return }
        discovery = nil
        waiting.resume(throwing: error)
    }

    // MARK: The server comes and goes

    private func serverConnected() {
        guard treeID != nil, !isClosed, !isLeaving else {
            isServerAway = false
            return
        }
        events.publish(.serverBack)
        if isServerAway { abandonAttempts() }
        isServerAway = false
        if isNativeServer, let resumeToken {
            socket.emit("simple-signal[discover]", request(resuming: resumeToken))
        } else if !isSource, peer?.isFed == false, let treeID {
            socket.emit("simple-signal[discover]", ["treeID": .string(treeID)])
        }
    }

    private func serverLost() {
        isServerAway = true
        guard treeID != nil, !isClosed, !isLeaving else { return }
        events.publish(.serverLost)
    }

    /// Half of what connecting takes may have been lost with the server: begin anew with what it says now.
    private func abandonAttempts() {
        for session in Array(sessions.values) where session.role == .parent && session.link == nil {
            drop(session)
            feed(.connectFailed(session.remote, .unreachable))
        }
    }

    private func serverUnreachable(_ reason: String) {
        failDiscovery(.serverUnreachable(reason))
    }

    // MARK: Reports

    /// Seconds; whatever the server wants.
    private static let longestStatusInterval: Double = 3_600

    private func startReporting() {
        guard let interval = configuration.statusInterval, isNativeServer, !isSource else { return }
        report(every: interval)
    }

    /// The server has too many peers to hear of each as often, or has fewer again.
    private func paceReports(_ seconds: Double) {
        guard let interval = configuration.statusInterval, statusTask != nil, !isClosed, !isLeaving else { return }
        let wanted = TimeAmount.milliseconds(Int64(min(seconds, Self.longestStatusInterval) * 1_000))
        report(every: max(interval, wanted))
    }

    private func report(every interval: TimeAmount) {
        statusTask?.cancel()
        statusTask = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [weak self] _ in
            self?.assumeIsolated { $0.report() }
        }
    }

    private func report() {
        guard let peer, !isClosed, !isLeaving else { return }
        let now = NIODeadline.now()
        let elapsed = max(0.001, Double((now - lastStatus.at).nanoseconds) / 1e9)
        let bytes = peer.counters.bytesReceived
        let rate = Double(bytes &- lastStatus.bytes) / elapsed
        lastStatus = (bytes, now)
        var status: JSONObject = ["rate": JSONValue(Int(rate)), "children": JSONValue(peer.childCount)]
        if let lagMilliseconds { status["lag"] = JSONValue((lagMilliseconds * 10).rounded() / 10) }
        if let roundTrip = peer.neighbours.first(where: { $0.role == .parent })?.roundTripTime {
            status["roundTrip"] = JSONValue((Double(roundTrip.nanoseconds) / 1e5).rounded() / 10)
        }
        emit("peer-tree[status]", .object(status))
    }
}
