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
        let link = links[end.link]
        let rates = [clients[link.sides[end.side].client].uplink, clients[link.sides[1 - end.side].client].downlink]
        var sent = now
        if let rate = rates.compactMap({ $0 }).min() {
            links[end.link].sides[end.side].waiting += frame.count
            guard rate > 0 else { return }
            let duration = TimeSpan(nanoseconds: UInt64(Double(frame.count) / rate * 1e9))
            sent = max(now, link.sides[end.side].sentUntil) + duration
            events.schedule(.drained(end, bytes: frame.count), at: sent)
        }
        sent = max(sent, link.sides[end.side].sentUntil)
        links[end.link].sides[end.side].sentUntil = sent
        if conditions.chunkLoss > 0, isChunk(frame), Double.random(in: 0..<1, using: &random) < conditions.chunkLoss {
            return
        }
        let arrival = max(sent + link.delay, link.sides[1 - end.side].arrivedUntil)
        links[end.link].sides[1 - end.side].arrivedUntil = arrival
        events.schedule(.frame(end.other, frame, isText: isText), at: arrival)
    }

    private func isChunk(_ frame: SimulatedBuffer) -> Bool {
        frame.bytes.first == FrameType.chunk.rawValue
    }

    /// Some of what waited has left an end.
    func drained(_ end: LinkEnd, _ bytes: Int) {
        let before = links[end.link].sides[end.side].waiting
        let waiting = max(0, before - bytes)
        links[end.link].sides[end.side].waiting = waiting
        let threshold = links[end.link].sides[end.side].lowThreshold
        guard links[end.link].isOpen, before > threshold, waiting <= threshold else { return }
        tell(end) { .buffered($0, waiting) }
    }

    func deliver(_ frame: SimulatedBuffer, isText: Bool, to end: LinkEnd) {
        guard links[end.link].isOpen else { return }
        tell(end) { .received($0, frame, isText: isText) }
    }

    // MARK: Closing

    /// Closes a channel once what was sent is out.
    func closeChannel(_ end: LinkEnd) {
        guard links[end.link].isOpen else { return }
        close(end, sent: max(now, links[end.link].sides[end.side].sentUntil))
    }

    /// Closes a connection, whatever is still to be sent on it.
    func closeConnection(_ end: LinkEnd) {
        let side = links[end.link].sides[end.side]
        if let id = side.id { clients[side.client].ends[id] = nil }
        guard links[end.link].isOpen else {
            links[end.link].state = .over
            return
        }
        close(end, sent: now)
    }

    private func close(_ end: LinkEnd, sent: Instant) {
        let link = links[end.link]
        let seen = max(sent + link.delay, link.sides[1 - end.side].arrivedUntil)
        events.schedule(.channelClosed(end.other), at: seen)
        events.schedule(.channelClosed(end), at: seen + link.delay)
    }

    /// An end sees that its channel is closed: nothing comes through it any more.
    func channelClosed(_ end: LinkEnd) {
        links[end.link].state = .over
        tell(end) { .channelClosed($0) }
    }
}
