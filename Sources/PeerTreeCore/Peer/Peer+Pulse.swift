// An idle stream is told from a dead one.

extension Peer {
    /// When a pulse is due; only who numbers the stream says one by itself.
    var pulseDeadline: Instant {
        guard numbersStream, !isSigned, !links.children.isEmpty, ending.sequence == nil, departure.isStaying else {
            return .distantFuture
        }
        return pulse.deadline
    }

    mutating func watchPulse(at now: Instant) {
        guard pulseDeadline <= now else { return }
        pass(next: stream.replay.end, clock: pulse.say(at: now), at: now)
    }

    /// A parent says that everything below `next` was written, and nothing more. That is no proof of anything: it counts
    /// only where it agrees with what this peer has, and then as a sign that the parent would have more to say if there
    /// were more.
    mutating func pulsed(_ next: UInt64, _ clock: UInt64, by id: LinkID, at now: Instant) {
        guard !isSigned, let frontier = stream.frontier, upstreams.contains(where: { $0.isFed(by: id) }) else {
            counters.unexpectedFrames += 1
            return
        }
        guard !stream.isStartingOver, next == frontier, stream.replay.end <= next, pulse.hear(clock, at: now) else {
            return
        }
        backup.pull.heard(at: now)
        pass(next: next, clock: clock, at: now)
    }

    /// Children that have not been sent everything yet hear of the source by that.
    private mutating func pass(next: UInt64, clock: UInt64, at now: Instant) {
        for id in links.children {
            guard let link = links[id], !link.feeding.subscriptions.isEmpty, isUpToDate(link) else { continue }
            send(.pulse(next: next, clock: clock), on: id, at: now)
        }
    }
}
