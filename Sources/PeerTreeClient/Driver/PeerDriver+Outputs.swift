import Logging
import NIOCore
import PeerTreeCore
import SocketIO
import WebRTC

// What the peer wants done.

extension PeerDriver {
    func perform(_ output: PeerOutput<ByteBuffer>) {
        switch output {
        case .connect(let remote): connect(remote)
        case .cancelConnect(let remote): cancelConnect(remote)
        case .close(let link): close(link)
        case .send(let link, let frame): send(frame, .binary, on: link)
        case .sendMessage(let link, let message): send(message.payload, message.isText ? .text : .binary, on: link)
        case .deliver(let message): deliver(message)
        case .gap(let gap): events.publish(.gap(gap))
        case .attached(let stripe, let epoch):
            emit("peer-tree[attached]", ["stripe": JSONValue(stripe), "epoch": JSONValue(epoch)])
        case .orphaned(let stripe, let epoch, let reason): orphaned(stripe, epoch, reason)
        case .childLost(let remote, let reason):
            emit("peer-tree[child-lost]", ["id": .string(remotes.name(remote)), "reason": .string(reason.wireName)])
        case .upstream(let remote): linked(.upstreamPeer(remotes.name(remote)))
        case .downstream(let remote, _): linked(.downstreamPeer(remotes.name(remote)))
        case .neighbourGone(let remote, _): events.publish(.neighbourGone(remotes.name(remote)))
        case .writable: resumeWriters()
        case .ended(let end): ended(end)
        case .subtreeComplete: completed()
        case .left: resumeLeavers()
        }
    }

    private func linked(_ event: PeerTreeEvent) {
        events.publish(event)
        guard !hasAnnouncedConnect else { return }
        hasAnnouncedConnect = true
        events.publish(.connect)
    }

    private func send(_ frame: ByteBuffer, _ kind: DataChannelMessageKind, on link: LinkID) {
        guard let session = sessionOfLink[link], let channel = session.channel else { return }
        do throws(DataChannelError) {
            try channel.send(frame, as: kind)
        } catch {
            logger.debug("a frame could not be sent", metadata: ["peer": "\(session.remoteName)", "error": "\(error)"])
            // A message that a plain neighbour cannot take is left out. The peer counts it as buffered and must hear
            // that it is not, or the neighbour would get nothing more.
            guard case .messageTooLarge = error else { return }
        }
        session.unreportedBytes += max(1, frame.readableBytes)
        let isDue = !session.isNative || session.unreportedBytes >= configuration.peer.highWater / 4
        if isDue, written.last !== session, !written.contains(where: { $0 === session }) { written.append(session) }
    }

    private func deliver(_ message: PeerTreeMessage) {
        if message.timestamp > 0 {
            let lag = Int64(clamping: WallClock.microseconds) - Int64(clamping: message.timestamp)
            lagMilliseconds = Double(lag) / 1000
        }
        guard configuration.deliversMessages else {
            let sequence = message.lastSequence
            eventLoop.execute { self.assumeIsolated { $0.consumed(sequence) } }
            return
        }
        queue.append(message, limit: configuration.maximumUnreadBytes, policy: peer?.policy ?? .lossless)
    }

    private func orphaned(_ stripe: UInt8, _ epoch: UInt32, _ reason: LossReason) {
        guard isNativeServer else {
            // An original server places whoever discovers again.
            if let treeID { emit("simple-signal[discover]", ["treeID": .string(treeID)]) }
            return
        }
        let report: JSONValue = [
            "stripe": JSONValue(stripe), "epoch": JSONValue(epoch), "reason": .string(reason.wireName),
        ]
        emit("peer-tree[orphaned]", report)
    }

    private func ended(_ how: StreamEnd) {
        end = how
        switch how {
        case .complete: queue.finish(.success(()))
        case .sourceLost:
            queue.finish(.failure(.sourceLost))
            completed()
        }
        events.publish(.disconnect(how))
    }

    private func completed() {
        isComplete = true
        events.publish(.complete)
        let waiters = completionWaiters.values
        completionWaiters.removeAll()
        for waiter in waiters { waiter.resume() }
    }

    private func resumeWriters() {
        let waiting = writers.values
        writers.removeAll()
        for writer in waiting { writer.resume() }
    }

    func resumeLeavers() {
        let waiting = leavers
        leavers.removeAll()
        for leaver in waiting { leaver.resume() }
    }

    /// Sends an event to the signalling server. Our own events go only to a server that knows them.
    func emit(_ event: String, _ payload: JSONValue) {
        guard !isServerAway, isNativeServer || !event.hasPrefix("peer-tree") else { return }
        socket.emit(event, payload)
    }
}

extension LossReason {
    /// The name in signalling.
    var wireName: String {
        switch self {
        case .silent: "silent"
        case .closed: "closed"
        case .refused: "refused"
        case .unreachable: "unreachable"
        case .notForwarding: "not-forwarding"
        case .slow: "slow"
        }
    }
}
