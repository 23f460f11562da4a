package import PeerTreeCore
import TestSupport

// What happens in a broadcast, in words.

/// How a source writes.
package struct PublishingRhythm: Sendable {
    /// The time between two messages.
    package var interval: TimeSpan
    /// The size of a message.
    package var bytes: ClosedRange<Int>
    /// Every how many messages one is a join point; nil for none.
    package var joinPointEvery: Int?
    /// Every how many messages one is retained under key 1; nil for none.
    package var retainedEvery: Int?

    package init(
        every interval: TimeSpan,
        bytes: ClosedRange<Int>,
        joinPointEvery: Int? = nil,
        retainedEvery: Int? = nil
    ) {
        self.interval = interval
        self.bytes = bytes
        self.joinPointEvery = joinPointEvery
        self.retainedEvery = retainedEvery
    }
}

extension Simulation {
    // MARK: The source

    /// Lets the source write in a rhythm from now on; nil lets it pause.
    package func publish(_ rhythm: PublishingRhythm?) {
        let wasSilent = self.rhythm == nil
        self.rhythm = rhythm
        if wasSilent, rhythm != nil { schedule(.publish, after: .zero) }
    }

    func publishInRhythm() {
        guard let rhythm, clients[0].life == .running else { return }
        // A source that waits for its slowest viewer writes nothing meanwhile.
        if clients[0].client.writability == .writable {
            let number = log.entries.count
            var options = MessageOptions()
            options.isJoinPoint = rhythm.joinPointEvery.map { number % $0 == 0 } ?? false
            options.retainedKey = rhythm.retainedEvery.map { number % $0 == 0 } ?? false ? 1 : nil
            publish(bytes: Int.random(in: rhythm.bytes, using: &random), options)
        }
        schedule(.publish, after: rhythm.interval)
    }

    /// Writes one message.
    package func publish(bytes count: Int, _ options: MessageOptions = MessageOptions()) {
        let payload = log.nextPayload(count)
        // A source is told over how many trees it may deal its stream, and whether with parity.
        if let layout = clients[0].peer?.configuration { log.rowWidth = layout.hasParity ? Int(layout.stripes) : 0 }
        log.append(payload, at: now)
        input(.publish(SimulatedBuffer(bytes: payload), options), to: 0)
    }

    /// Ends the stream.
    package func finish() {
        rhythm = nil
        log.finish()
        input(.finish, to: 0)
    }

    // MARK: Viewers come and go

    /// Lets a viewer join; returns its number.
    @discardableResult
    package func join(capacity: Int? = nil) -> Int {
        add(isSource: false, capacity: capacity)
    }

    /// Lets `count` viewers join, evenly over `span`.
    package func join(_ count: Int, over span: TimeSpan) {
        for number in 0..<count {
            let wait = TimeSpan(nanoseconds: span.nanoseconds / UInt64(count) * UInt64(number))
            after(wait) { _ = $0.join() }
        }
    }

    /// Lets a client leave in order.
    package func leave(_ client: Int) {
        guard clients[client].life == .running else { return }
        clients[client].life = .leaving
        input(.leave, to: client)
    }

    /// Ends a client's process without a word.
    package func kill(_ client: Int) {
        shutDown(client)
    }

    /// Takes the power from a client's machine: not even its sockets close.
    package func vanish(_ client: Int) {
        clients[client].life = .gone
    }

    /// Breaks all links of a client at once; its process lives on.
    package func breakLinks(of client: Int) {
        for end in openEnds(of: client) { closeConnection(end) }
    }

    /// Breaks a client's signalling socket for a while; its links live on.
    package func blip(_ client: Int, for span: TimeSpan) {
        breakSocket(client, for: span)
    }

    /// Restarts the server; it is away for `span` and remembers nothing.
    package func restartServer(after span: TimeSpan) {
        restartServer(for: span)
    }

    /// Limits what a client receives a second, in bytes; nil lifts the limit, 0 lets nothing through.
    package func limit(_ client: Int, downlink: Double?) {
        clients[client].downlink = downlink
        sendOnLinks(of: client)
    }

    /// Limits what a client sends a second, in bytes.
    package func limit(_ client: Int, uplink: Double?) {
        clients[client].uplink = uplink
        sendOnLinks(of: client)
    }

    /// What waits leaves as fast as its link is now.
    private func sendOnLinks(of client: Int) {
        for link in links.indices where links[link].isOpen && links[link].sides.contains(where: { $0.client == client })
        {
            for side in 0...1 { sendNext(from: LinkEnd(link: link, side: side)) }
        }
    }

    /// Lets a client's application take so long over each message.
    package func slowDown(_ client: Int, reading span: TimeSpan) {
        clients[client].readingTime = span
    }

    /// Does something later.
    package func after(_ span: TimeSpan, _ action: @escaping (Simulation) throws -> Void) {
        actions.append(action)
        schedule(.action(actions.count - 1), after: span)
    }

    /// The native viewers that run and do not lie.
    package var viewers: [Int] {
        clients.indices.filter { clients[$0].isHonestViewer }
    }

    /// One of the viewers, by the seed; nil if there is none.
    package func anyViewer() -> Int? {
        viewers.randomElement(using: &random)
    }
}
