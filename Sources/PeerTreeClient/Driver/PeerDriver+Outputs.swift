import Logging
import NIOCore
import PeerTreeCore
import SocketIO
import WebRTC

// What the client wants done.

extension PeerDriver {
    func perform(_ output: ClientOutput<ByteBuffer>) {
        switch output {
        case .send(let link, let frame): send(frame, .binary, on: link)
        case .sendMessage(let link, let message): send(message.payload, message.isText ? .text : .binary, on: link)
        case .askBuffered(let link):
            if let channel = links[link]?.channel { feed(.buffered(link, channel.bufferedAmount)) }
        case .setLowThreshold(let link, let bytes): links[link]?.channel?.bufferedAmountLowThreshold = bytes
        case .askRoundTrip(let link):
            if let time = links[link]?.connection.selectedCandidatePair?.roundTripTime {
                feed(.roundTrip(link, TimeSpan(time)))
            }
        case .connect(let link, let servers): connect(link, servers)
        case .accept(let link, let offer, let servers): accept(link, offer, servers)
        case .restart(let link): restart(link)
        case .takeAnswer(let link, let sdp): takeAnswer(link, sdp)
        case .answer(let link, let offer): answer(link, offer)
        case .addCandidate(let link, let candidate): addCandidate(link, candidate)
        case .closeChannel(let link): links[link]?.channel?.close()
        case .closeConnection(let link): links.removeValue(forKey: link)?.connection.close()
        case .emit(let event): socket.emit(event.name.text.string, event.payload.json)
        case .sign(let thing, let statement):
            if let signature = configuration.identity?.sign(statement) { feed(.signed(thing, signature)) }
        case .verify(let ticket, let statement, let signature):
            let key = client.membership.sourceKey
            feed(.verified(ticket: ticket, key.map { checker.isTrue(statement, signature, of: $0) } ?? false))
        case .seal(let seal, let payload): if let sealed = try? cipher?.seal(payload, seal) { feed(.sealed(sealed)) }
        case .open(let seal, let parts): feed(.opened(cipher?.open(parts.joined, seal)))
        case .reconnectServer:
            logger.debug("an address of this host is gone: connecting to the server anew")
            socket.disconnect()
            socket.connect()
        case .disconnectServer: socket.disconnect()
        default: announce(output)
        }
    }

    /// Tells the application.
    private func announce(_ output: ClientOutput<ByteBuffer>) {
        switch output {
        case .entered(let tree, let id):
            observeNetwork()
            events.publish(.discover(treeID: tree.string, id: id.string))
            waiters.entered(.success(tree.string))
        case .entryFailed(let failure):
            waiters.entered(.failure(PeerTreeError(failure, of: requestedTree, configuration)))
        case .deliver(let message): queue.append(message, limit: unreadLimit, policy: client.peer?.policy ?? .lossless)
        case .gap(let gap): events.publish(.gap(gap))
        case .unreadable(let reason): events.publish(.unreadable(reason))
        case .connected: events.publish(.connect)
        case .upstream(let id): events.publish(.upstreamPeer(id.string))
        case .downstream(let id): events.publish(.downstreamPeer(id.string))
        case .neighbourGone(let id, _): events.publish(.neighbourGone(id.string))
        case .writable: waiters.resume(.writable)
        case .ended(let end): ended(end)
        case .subtreeComplete:
            isComplete = true
            events.publish(.complete)
            waiters.resume(.complete)
        case .serverLost: events.publish(.serverLost)
        case .serverBack: events.publish(.serverBack)
        case .serverGoingAway: events.publish(.serverGoingAway)
        case .refused(let code, let message):
            logger.debug("the server refused", metadata: ["code": "\(code.string)", "message": "\(message.string)"])
            events.publish(.refused(code: code.string, message: message.string))
        case .tree(let json):
            guard let summary = TreeSummary(json.json) else { return }
            self.summary = summary
            events.publish(.tree(summary))
        case .left: waiters.resume(.left)
        default: break
        }
    }

    /// How much may wait for the reader. What a lossless stream can bring by credit always finds room.
    private var unreadLimit: Int {
        guard let peer = client.peer, peer.policy == .lossless else { return configuration.maximumUnreadBytes }
        return max(configuration.maximumUnreadBytes, peer.configuration.maximumLosslessBacklog)
    }

    private func ended(_ end: StreamEnd) {
        switch end {
        case .complete: queue.finish(.success(()))
        case .sourceLost:
            queue.finish(.failure(.sourceLost))
            // There will be no more than this; whoever waits to write learns why it cannot.
            waiters.resume(.complete)
            waiters.resume(.writable)
        }
        events.publish(.disconnect(end))
    }
}
