import PeerTreeCore
import TestSupport

// Connections and data channels: opening, sending, closing.

extension Simulation {
    // MARK: Opening

    /// A child makes a connection; its offer names the link.
    func connect(_ client: Int, _ id: LinkID) {
        links.append(SimulatedLink(client, id))
        let end = LinkEnd(link: links.count - 1, side: 0)
        clients[client].ends[id] = end
        schedule(.described(end), after: .zero)
    }

    /// A parent takes an offer.
    func accept(_ client: Int, _ id: LinkID, _ offer: Text) {
        guard clients[client].puppet?.accepts != false else { return }
        guard let link = offer.number, links.indices.contains(link), links[link].state == .offered else {
            schedule(.input(client, .connectionFailed(id)), after: .zero)
            return
        }
        links[link].sides.append(SimulatedLink.Side(client: client, id: id))
        links[link].state = .accepted
        let end = LinkEnd(link: link, side: 1)
        clients[client].ends[id] = end
        schedule(.described(end), after: .zero)
    }

    /// An end has its description.
    func described(_ end: LinkEnd) {
        let link = links[end.link]
        guard link.state != .over, let id = link.sides[end.side].id else { return }
        input(.described(id, sdp: Text(client: end.link)), to: link.sides[end.side].client)
    }

    /// The child has the answer: a path is found and secured in a few round trips.
    func takeAnswer(_ end: LinkEnd) {
        guard links[end.link].state == .accepted else { return }
        links[end.link].state = .connecting
        let delays = links[end.link].sides.map { clients[$0.client].delay.nanoseconds }
        links[end.link].delay = TimeSpan(nanoseconds: (delays[0] + delays[1]) / 2)
        schedule(.channel(link: end.link), after: TimeSpan(nanoseconds: 3 * (delays[0] + delays[1])))
    }

    /// The data channel is open at the parent, and a moment later at the child.
    func openChannel(_ link: Int) {
        guard links[link].state == .connecting else { return }
        guard links[link].opens, links[link].sides.allSatisfy({ clients[$0.client].isAlive }) else { return }
        links[link].state = .open
        links[link].sides[0].arrivedUntil = now + links[link].delay
        schedule(.channelOpened(LinkEnd(link: link, side: 0)), after: links[link].delay)
        channelOpened(LinkEnd(link: link, side: 1))
    }

    func channelOpened(_ end: LinkEnd) {
        guard links[end.link].isOpen else { return }
        tell(end) { .channelOpened($0) }
    }

    /// Tells the client at an end something about its link.
    private func tell(_ end: LinkEnd, _ input: (LinkID) -> ClientInput<SimulatedBuffer>) {
        let side = links[end.link].sides[end.side]
        guard let id = side.id else { return }
        self.input(input(id), to: side.client)
    }

    // MARK: Sending

    /// Puts a message on its way from one end of a link to the other.
    func transmit(_ frame: SimulatedBuffer, isText: Bool, from end: LinkEnd) {
        guard links[end.link].isOpen else { return }
        let message = SendingQueue.Message(frame: frame, isText: isText)
        if rate(from: end) == nil, links[end.link].sides[end.side].queue.first == nil {
            launch(message, from: end)
        } else {
            links[end.link].sides[end.side].queue.append(message)
            sendNext(from: end)
        }
    }

    /// Bytes a second that leave an end now; nil is more than ever wait.
    private func rate(from end: LinkEnd) -> Double? {
        let sides = links[end.link].sides
        let rates = [clients[sides[end.side].client].uplink, clients[sides[1 - end.side].client].downlink]
        return rates.compactMap { $0 }.min()
    }

    /// Lets the message that has waited longest leave, as fast as the link is now.
    func sendNext(from end: LinkEnd) {
        while let message = links[end.link].sides[end.side].queue.first {
            guard !links[end.link].sides[end.side].queue.isLeaving else { return }
            if let rate = rate(from: end) {
                guard rate > 0 else { return }
                links[end.link].sides[end.side].queue.isLeaving = true
                schedule(.left(end), after: TimeSpan(nanoseconds: UInt64(Double(message.frame.count) / rate * 1e9)))
            } else {
                leave(message, from: end)
            }
        }
        if links[end.link].sides[end.side].queue.closesWhenEmpty { close(end) }
    }

    /// The message that was leaving has left.
    func left(_ end: LinkEnd) {
        guard let message = links[end.link].sides[end.side].queue.first else { return }
        links[end.link].sides[end.side].queue.isLeaving = false
        leave(message, from: end)
        sendNext(from: end)
    }

    private func leave(_ message: SendingQueue.Message, from end: LinkEnd) {
        // What a process that has died has not sent by then is gone with it.
        guard links[end.link].isOpen, clients[links[end.link].sides[end.side].client].isAlive else {
            return links[end.link].sides[end.side].queue.removeAll()
        }
        let before = links[end.link].sides[end.side].queue.bytes
        links[end.link].sides[end.side].queue.removeFirst()
        launch(message, from: end)
        let (waiting, threshold) = (before - message.frame.count, links[end.link].sides[end.side].lowThreshold)
        if before > threshold, waiting <= threshold { tell(end) { .buffered($0, waiting) } }
    }

    private func launch(_ message: SendingQueue.Message, from end: LinkEnd) {
        if conditions.chunkLoss > 0, isChunk(message.frame),
            Double.random(in: 0..<1, using: &random) < conditions.chunkLoss
        {
            return
        }
        let arrival = max(now + links[end.link].delay, links[end.link].sides[1 - end.side].arrivedUntil)
        links[end.link].sides[1 - end.side].arrivedUntil = arrival
        events.schedule(.frame(end.other, message.frame, isText: message.isText), at: arrival)
    }

    private func isChunk(_ frame: SimulatedBuffer) -> Bool {
        frame.bytes.first == FrameType.chunk.rawValue
    }

    func deliver(_ frame: SimulatedBuffer, isText: Bool, to end: LinkEnd) {
        guard links[end.link].isOpen else { return }
        tell(end) { .received($0, frame, isText: isText) }
    }

    // MARK: Closing

    /// Closes a channel once what was sent is out.
    func closeChannel(_ end: LinkEnd) {
        guard links[end.link].isOpen else { return }
        links[end.link].sides[end.side].queue.closesWhenEmpty = true
        sendNext(from: end)
    }

    /// Closes a connection, whatever is still to be sent on it.
    func closeConnection(_ end: LinkEnd) {
        let side = links[end.link].sides[end.side]
        if let id = side.id { clients[side.client].ends[id] = nil }
        guard links[end.link].isOpen else {
            links[end.link].state = .over
            return
        }
        close(end)
    }

    private func close(_ end: LinkEnd) {
        links[end.link].sides[end.side].queue.removeAll()
        let link = links[end.link]
        let seen = max(now + link.delay, link.sides[1 - end.side].arrivedUntil)
        events.schedule(.channelClosed(end.other), at: seen)
        events.schedule(.channelClosed(end), at: seen + link.delay)
    }

    /// An end sees that its channel is closed: nothing comes through it any more.
    func channelClosed(_ end: LinkEnd) {
        links[end.link].state = .over
        tell(end) { .channelClosed($0) }
    }
}
