// Who is a child: the server's word, one link each, and nobody beyond the limit.

extension Peer {
    /// The server says how it sees this peer.
    mutating func placed(slots: Int?, depth: UInt32) {
        let most = configuration.maximumLinks * Int(configuration.stripes)
        admissions.place(slots: slots.map { min(max($0, 0), most) }, depth: depth)
    }

    /// Whether a child may be fed what is asked for on its link. A plain one knows no stripes: in whichever of them the server
    /// has named it, it gets whole messages.
    func mayFeed(_ stripe: UInt8, on link: Link) -> Bool {
        link.mode == .plain ? admissions.isChild(link.remote) : admissions.allow(link.remote, stripe)
    }

    /// The server says that a child may come. It may be here already, and have asked for the stripe.
    mutating func admit(_ child: RemoteID, _ stripe: UInt8, at now: Instant) {
        admissions.admit(child, stripe, displacedEnd: now + configuration.releaseTimeout)
        guard let link = links.values.first(where: { $0.role == .child && $0.remote == child }) else { return }
        // As a ward's link it was to give a sign of life far more seldom than as a child's.
        if link.feeding.subscriptions.isEmpty { links[link.id]?.liveness.lastHeard = now }
        announce(link.id)
        for (index, subscription) in link.feeding.subscriptions.enumerated()
        where (subscription.stripe == stripe || link.mode == .plain) && subscription.cursor == nil {
            start(link.id, index, at: now)
        }
    }

    /// The server says that a peer has another parent now. The link is left to the child for a while, which closes it
    /// once the new parent feeds it; a plain child, which cannot know, is cut off at once.
    mutating func release(_ child: RemoteID, _ stripe: UInt8, at now: Instant) {
        let link = links.values.first { $0.role == .child && $0.remote == child }
        let isMoving = link?.mode == .native
        admissions.release(child, stripe, end: isMoving ? now + configuration.releaseTimeout : now)
        cutReleased(at: now)
    }

    /// Whether there is room for a link to somebody who says that it is a child.
    func hasRoom(for child: RemoteID) -> Bool {
        guard departure.isStaying, links.count < configuration.maximumLinks else { return false }
        // By the server's word, or soon to be: what comes of it is bounded by the slots.
        guard admissions.slots == nil else { return true }
        return links.children.count < configuration.maximumChildren
    }

    /// A child has one link: the newest, since it may have lost the one before without a word.
    mutating func replaceLinks(of child: RemoteID, at now: Instant) {
        for link in links.values where link.role == .child && link.remote == child {
            miss(link, at: now)
            part(with: link, at: now)
        }
    }

    // MARK: Children whose links broke

    /// A lossless stream waits for a child whose link broke: it comes back here, or is given another parent.
    mutating func miss(_ link: Link, at now: Instant) {
        guard stream.policy == .lossless, departure.isStaying, link.mode == .native, !link.feeding.isComplete,
            admissions.isChild(link.remote), link.feeding.subscriptions.contains(where: { $0.cursor != nil })
        else { return }
        links.absences.begin(
            link.remote,
            gate: link.feeding.creditLimit,
            owing: link.feeding.arrears,
            timeout: configuration.rejoinTimeout,
            limit: patience,
            at: now
        )
    }

    mutating func watchAbsences(at now: Instant) {
        guard links.absences.deadline <= now else { return }
        links.absences.expire(at: now)
        updateFlow(at: now)
        noteCompletion(at: now)
    }

    /// Tells of a child as soon as it may be one.
    mutating func announce(_ id: LinkID) {
        guard let link = links[id], !link.feeding.isAnnounced,
            link.feeding.subscriptions.contains(where: { mayFeed($0.stripe, on: link) })
        else { return }
        links[id]?.feeding.isAnnounced = true
        emit(.downstream(link.remote, id))
    }

    /// Closes the link of a child that is none any more, or never was one. Nothing is lost by that, and the server knows.
    mutating func part(with link: Link, saying reason: LinkCloseReason? = nil, at now: Instant) {
        if let reason { send(.close(reason), on: link.id, at: now) }
        _ = links.removeValue(forKey: link.id)
        admissions.rest(link.remote)
        emit(.close(link.id))
        if link.feeding.isAnnounced { emit(.neighbourGone(link.remote, .child)) }
        forgetRepairs(by: link.id, at: now)
        updateFlow(at: now)
        noteCompletion(at: now)
    }

    // MARK: Time

    var admissionDeadline: Instant {
        var next = admissions.deadline
        guard admissions.slots != nil else { return next }
        for link in links.values where link.role == .child && !admissions.allow(link.remote) {
            next = min(next, link.liveness.openedAt + configuration.admissionTimeout)
        }
        return next
    }

    /// Parts with those who were released, and with strangers of whom the server has not spoken in time.
    mutating func watchAdmissions(at now: Instant) {
        cutReleased(at: now)
        guard admissions.slots != nil else { return }
        for link in links.values where link.role == .child && !admissions.allow(link.remote) {
            guard now - link.liveness.openedAt >= configuration.admissionTimeout else { continue }
            counters.strangers += 1
            part(with: link, saying: .refused, at: now)
        }
    }

    private mutating func cutReleased(at now: Instant) {
        for (child, stripe) in admissions.takeExpired(at: now) {
            guard let link = links.values.first(where: { $0.role == .child && $0.remote == child }) else { continue }
            links[link.id]?.feeding.subscriptions.removeAll { subscription in
                link.mode == .plain ? !admissions.isNamed(child) : subscription.stripe == stripe
            }
            if links[link.id]?.feeding.subscriptions.isEmpty != false || !admissions.allow(child) {
                part(with: link, saying: .moved, at: now)
            } else {
                updateFlow(at: now)
            }
        }
    }
}
