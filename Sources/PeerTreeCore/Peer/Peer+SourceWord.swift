// What the source says of its stream as a whole, under its signature: it says it twice a second, everyone passes it on, and
// no neighbour's word counts against it.

extension Peer {
    // MARK: The source

    mutating func setServerClock(_ unixMicroseconds: UInt64, at now: Instant) {
        stream.word.set(unixMicroseconds, at: now)
        guard let streamID = writing.signer?.streamID else { return }
        let head = SourceHead(streamID: streamID, startedAt: unixMicroseconds, policy: stream.policy)
        guard let statement = writing.announcements.begin(head) else { return }
        emit(.sign(.head, statement: statement))
    }

    var announcementDeadline: Instant { departure.isStaying ? writing.announcements.deadline : .distantFuture }

    mutating func watchAnnouncements(at now: Instant) {
        guard announcementDeadline <= now else { return }
        sayPulse(at: now)
    }

    private mutating func sayPulse(at now: Instant) {
        guard let signer = writing.signer, let clock = stream.word.reading(at: now) else { return }
        let next = stream.replay.end
        let pulse = SourcePulse(
            streamID: signer.streamID,
            clock: clock,
            extent: SourceExtent(blocks: signer.signedCount, next: next),
            retained: stream.retained.inForce
        )
        let (thing, statement) = writing.announcements.say(pulse, at: now)
        emit(.sign(thing, statement: statement))
    }

    mutating func headSigned(_ signature: Signature, at now: Instant) {
        guard case .head(let head, _)? = writing.announcements.signed(signature) else { return }
        let frame = Buffer(bytes: SourceFrame.head(head, signature).encoded())
        guard stream.word.learn(head, frame) else { return }
        sayPulse(at: now)
    }

    mutating func pulseSigned(_ clock: UInt64, _ signature: Signature, at now: Instant) {
        guard let (pulse, said) = writing.announcements.signed(pulse: clock, signature) else { return }
        let isFirst = !hasWord
        heard(pulse, Buffer(bytes: said.encoded()), at: now)
        if isFirst { startWaitingChildren(at: now) }
    }

    // MARK: Everyone

    /// Whether the tree is signed.
    var isSigned: Bool { needsProof || writing.signer != nil }

    /// Whether this peer can prove to its children which stream it has.
    var hasWord: Bool {
        guard isSigned else { return true }
        return stream.word.head?.streamID.high == stream.id && stream.word.newest != nil
    }

    /// The newest pulse that was found true, as it was passed on; nil before the first.
    var newestPulse: [UInt8]? {
        stream.word.newest.map { newest in newest.frame.withPrefix(newest.frame.count) { Array($0) } }
    }

    /// Tells a child which stream this is, and how far the source is.
    mutating func sendWord(on id: LinkID) {
        guard let head = stream.word.headFrame else { return }
        emit(.send(id, head))
        for pulse in stream.word.frames { emit(.send(id, pulse)) }
    }

    /// What came from a neighbour was found true.
    mutating func learn(_ head: SourceHead, _ frame: Buffer, from id: LinkID, at now: Instant) {
        guard links[id]?.role == .parent else { return refuse(id, at: now) }
        _ = stream.word.learn(head, frame)
    }

    mutating func learn(_ pulse: SourcePulse, _ frame: Buffer, from id: LinkID, at now: Instant) {
        guard links[id]?.role == .parent else { return refuse(id, at: now) }
        guard heard(pulse, frame, at: now) else { return }
        guard let frontier = stream.frontier, pulse.streamID.high == stream.id, !stream.isStartingOver else { return }
        if stream.word.contradictsClaim(pulse) { return startOver(at: now) }
        guard pulse.extent.next == frontier, stream.replay.end <= frontier else { return }
        // The parent would have more to say if there were more.
        if upstreams.contains(where: { $0.isFed(by: id) }) { backup.pull.heard(at: now) }
    }

    /// - Returns: whether it is news.
    @discardableResult
    private mutating func heard(_ pulse: SourcePulse, _ frame: Buffer, at now: Instant) -> Bool {
        switch stream.word.hear(pulse, frame, at: now) {
        case .known: return false
        case .stale:
            counters.staleStatements += 1
            return false
        case .new:
            advanceWord()
            for id in links.children {
                guard let link = links[id], link.mode == .native,
                    link.feeding.subscriptions.contains(where: { $0.cursor != nil })
                else { continue }
                emit(.send(id, frame))
            }
            return true
        }
    }

    /// More of the stream is here, or another one.
    mutating func advanceWord() {
        guard let frontier = stream.frontier, stream.word.head?.streamID.high == stream.id else { return }
        stream.word.advance(to: frontier)
    }

    /// Whether the source has written something at this peer's position or beyond, whatever neighbours say.
    var isPositionProven: Bool { needsProof && stream.word.claim == nil }

    /// This peer's position is what a parent says it is.
    mutating func claimPosition(_ start: UInt64, at now: Instant) {
        stream.word.claim(start, at: now)
        advanceWord()
    }

    func isInForce(_ header: ChunkHeader) -> Bool {
        !needsProof || stream.word.isInForce(header)
    }

    /// Whether the stream that a parent offers is the source's newest, with the policy that the source gave it; if not, the
    /// parent is parted with.
    mutating func believes(_ answer: SubscriptionAnswer, from id: LinkID, at now: Instant) -> Bool {
        guard needsProof else { return true }
        guard stream.word.admits(answer.streamID, at: now) else {
            counters.staleStatements += 1
            dismiss(id, .protocolError, .refused, at: now)
            return false
        }
        guard stream.word.head?.policy == answer.policy else {
            partWithForger(id, at: now)
            return false
        }
        return true
    }
}
