// A second parent in reach: the link to the standby, asking it, turning to it; and the same from the standby's side.

extension Peer {
    // MARK: The standby

    /// The server says who stands by for this peer.
    mutating func standBy(_ remote: RemoteID?, at now: Instant) {
        guard remote != backup.standby?.remote else { return }
        let former = backup.standby
        // The parent it has become is no second one.
        backup.standby = remote.flatMap { remote in
            upstreams.contains { $0.remote == remote } ? nil : Standby(remote: remote, phase: .named(now))
        }
        switch former?.phase {
        case .connecting: if let former { cancelConnecting(to: former.remote) }
        case .open(let link): closeIfUnused(link, at: now)
        case .named, .due, .relayed, nil: break
        }
    }

    // MARK: Paths over TURN servers

    /// What is kept for the worst case must not take up a TURN server all the time: a peer that its parent reaches over one
    /// has no link to a standby, and nobody has one that leads over one.
    mutating func relayed(_ id: LinkID, _ isRelayed: Bool, at now: Instant) {
        guard links[id]?.role == .parent else { return }
        links[id]?.isRelayed = isRelayed
        guard isRelayed, let standby = backup.standby else { return }
        switch standby.phase {
        case .open(let link) where link == id && isWarm(on: id): backup.standby?.phase = .relayed
        case .open, .connecting:
            guard isReachedOverTURN else { return }
            backup.standby?.phase = .due(now + Self.retryTime)
        case .named, .due, .relayed: return
        }
        backup.standby?.streamID = nil
        if let link = standby.link { closeIfUnused(link, at: now) } else { cancelConnecting(to: standby.remote) }
    }

    private func isWarm(on id: LinkID) -> Bool { links[id].map { isWarm($0) } ?? false }

    /// Whether the parent reaches this peer over a TURN server.
    private var isReachedOverTURN: Bool {
        upstreams.contains { upstream in upstream.link.flatMap { links[$0]?.isRelayed } ?? false }
    }

    // MARK: Opening

    /// How long a peer is left to itself before it opens one more link, and before it tries again.
    private static var idleTime: TimeSpan { .seconds(1) }
    private static var retryTime: TimeSpan { .seconds(10) }

    var standbyDeadline: Instant {
        guard let standby = backup.standby, departure.isStaying, !ending.isFinal else { return .distantFuture }
        switch standby.phase {
        case .named, .due: return isFed && !isReachedOverTURN ? opening(of: standby) : .distantFuture
        case .connecting(let deadline): return deadline
        case .open, .relayed: return .distantFuture
        }
    }

    /// When the link to a standby is opened. Who misses the stream is not idle.
    private func opening(of standby: Standby) -> Instant {
        switch standby.phase {
        case .named(let instant): min(instant + Self.idleTime, backup.pull.doubt(patience: patienceWithParent))
        case .due(let instant): instant
        case .connecting, .open, .relayed: .distantFuture
        }
    }

    /// Opens the link in idle time.
    mutating func watchStandby(at now: Instant) {
        guard let standby = backup.standby, departure.isStaying, !ending.isFinal else { return }
        switch standby.phase {
        case .named, .due:
            guard isFed, !isReachedOverTURN, opening(of: standby) <= now else { break }
            if let link = parentLink(to: standby.remote) {
                backup.standby?.phase = .open(link)
            } else {
                let deadline = now + configuration.connectTimeout
                backup.standby?.phase = .connecting(deadline: deadline)
                if !isConnecting(to: standby.remote) { emit(.connect(standby.remote)) }
            }
        case .connecting(let deadline) where deadline <= now:
            backup.standby?.phase = .due(now + Self.retryTime)
            cancelConnecting(to: standby.remote)
        case .connecting, .open, .relayed: break
        }
    }

    /// A link to a parent is open: whether the standby's was waited for.
    mutating func standbyOpened(_ id: LinkID, _ remote: RemoteID, _ mode: LinkMode) -> Bool {
        guard mode == .native, backup.standby?.remote == remote, backup.standby?.link == nil else { return false }
        backup.standby?.phase = .open(id)
        return true
    }

    mutating func standbyFailed(_ remote: RemoteID, at now: Instant) {
        guard backup.standby?.remote == remote, case .connecting = backup.standby?.phase else { return }
        backup.standby?.phase = .due(now + Self.retryTime)
    }

    mutating func standbyLost(_ id: LinkID, at now: Instant) {
        guard backup.standby?.link == id else { return }
        backup.standby?.phase = .due(now + Self.retryTime)
        backup.standby?.streamID = nil
    }

    /// The server made the standby the parent: it stands by no more.
    mutating func noteParent(_ remote: RemoteID) {
        if backup.standby?.remote == remote { backup.standby = nil }
    }

    /// The neighbour of a warm link says which stream it has.
    mutating func learnedStream(_ streamID: UInt64, from id: LinkID) {
        guard backup.standby?.link == id else {
            counters.unexpectedFrames += 1
            return
        }
        backup.standby?.streamID = streamID
    }

    /// The link to the standby if it is of use: it has this very stream.
    var usableStandby: LinkID? {
        guard let standby = backup.standby, standby.streamID == stream.id, let link = standby.link,
            stream.frontier != nil
        else { return nil }
        return link
    }

    // MARK: Asking it

    /// Whatever is newer than all before tells the rhythm of the stream.
    mutating func noteNews(from id: LinkID, at now: Instant) {
        backup.rhythm.note(at: now)
        // What a standby was asked for goes on coming on its way to be a parent: it is an answer until it has said more.
        if upstreams.contains(where: { $0.isFed(by: id) && !$0.awaitsAnswer(of: id) }) {
            backup.pull.fed(at: now)
        } else if id == backup.standby?.link {
            backup.pull.helped(interval: backup.rhythm.interval, at: now)
        }
    }

    /// When the standby has to be asked.
    var pullDeadline: Instant {
        missedRange == nil ? .distantFuture : backup.pull.due(patience: patienceWithParent)
    }

    /// How long a parent may send nothing new before that is remarkable.
    private var patienceWithParent: TimeSpan {
        backup.rhythm.patience(roundTrip: backup.standby?.link.flatMap { links[$0]?.liveness.roundTripTime })
    }

    mutating func watchPull(at now: Instant) {
        guard pullDeadline <= now, let link = usableStandby, let range = missedRange else { return }
        if !backup.pull.isUnderWay { for child in links.children { send(.pulling, on: child, at: now) } }
        backup.pull.ask(range, interval: backup.rhythm.interval, at: now)
        counters.pulls += 1
        send(.request([range]), on: link, at: now)
    }

    /// How much is asked for at once.
    private static var pullChunks: UInt64 { 256 }

    /// What the standby would be asked for. What a parent may not send, for want of credit, is not asked of others
    /// either.
    private var missedRange: SequenceRange? {
        guard let frontier = stream.frontier, usableStandby != nil, ending.sequence == nil, !stream.isStartingOver,
            departure.isStaying
        else { return nil }
        var end = frontier.addingSaturating(Self.pullChunks)
        if stream.policy == .lossless {
            let granted = upstreams.first?.link.flatMap { links[$0]?.intake.granted.limit }
            end = min(end, min(granted ?? .max, losslessLimit))
        }
        return frontier < end ? SequenceRange(start: frontier, end: end) : nil
    }

    /// A chunk came that the parent of its stripe has not sent: proof against it if there are many.
    ///
    /// - Parameter id: from whom; nil if it followed from others.
    mutating func weighParent(of stripe: UInt8, from id: LinkID?, at now: Instant) {
        let index = Int(stripe)
        guard index < upstreams.count, case .active(let parent) = upstreams[index].phase, parent != id,
            isWitness(id, of: index),
            upstreams[index].starvation.handed(at: now, limit: configuration.starvationLimit)
        else { return }
        parentStarves(index, parent, at: now)
    }

    /// Whether it speaks against a parent that a chunk came otherwise: from the standby, from the one before, or with the
    /// other stripes of a stream with parity.
    private func isWitness(_ id: LinkID?, of index: Int) -> Bool {
        guard let id else { return true }
        return id == upstreams[index].former || (upstreams.count == 1 ? id == backup.standby?.link : stream.hasRows)
    }

    // MARK: Turning to it

    /// Takes the standby for parent without asking the server, which is told and has the last word.
    ///
    /// - Returns: whether there is one to turn to.
    mutating func promote(_ index: Int, _ reason: LossReason, at now: Instant) -> Bool {
        // Who was too slow for its parent will be so for another one; who is still fed has time to wait for the server.
        guard index == 0, upstreams.count == 1, reason != .slow,
            upstreams[0].former == nil || reason == .notForwarding, let link = usableStandby,
            let remote = links[link]?.remote, remote != upstreams[0].remote || !isAsked(link)
        else { return false }
        counters.promotions += 1
        links[link]?.liveness.lastHeard = now
        emit(.promoted(stripe: 0, epoch: upstreams[0].epoch, reason, remote))
        upstreams[0].remote = remote
        subscribe(0, on: link, at: now)
        // The link is there: who does not answer at once has no slot, or is none to turn to.
        upstreams[0].phase = .subscribing(link, deadline: now + configuration.promotionTimeout)
        return true
    }

    private func isAsked(_ link: LinkID) -> Bool {
        if case .subscribing(link, _) = upstreams[0].phase { return true }
        return false
    }

    // MARK: The wards

    /// The server says for whom this peer stands by.
    mutating func admitWard(_ ward: RemoteID, at now: Instant) {
        admissions.admitWard(ward)
        for link in links.values where link.role == .child && link.remote == ward { sayStream(on: link.id, at: now) }
    }

    /// The server says that this peer stands by for somebody no more. One that it feeds goes by itself, once it is fed
    /// elsewhere.
    mutating func releaseWard(_ ward: RemoteID, at now: Instant) {
        admissions.releaseWard(ward, end: now + configuration.releaseTimeout)
        for link in links.values where link.role == .child && link.remote == ward && link.feeding.subscriptions.isEmpty
        {
            part(with: link, saying: .moved, at: now)
        }
    }

    /// Tells a ward which stream it would find here.
    mutating func sayStream(on id: LinkID, at now: Instant) {
        guard stream.frontier != nil, !stream.isStartingOver, let link = links[id], link.role == .child,
            admissions.isWard(link.remote)
        else { return }
        send(.stream(stream.id), on: id, at: now)
    }

    mutating func sayStreamToWards(at now: Instant) {
        for id in links.children { sayStream(on: id, at: now) }
    }

    /// Whether nothing but signs of life, questions and answers go over a link: to the standby, or from a ward.
    func isWarm(_ link: Link) -> Bool {
        switch link.role {
        case .parent:
            return link.id == backup.standby?.link && !upstreams.contains { $0.link == link.id || $0.former == link.id }
        case .child:
            return link.feeding.subscriptions.isEmpty && admissions.isWard(link.remote)
        }
    }
}
