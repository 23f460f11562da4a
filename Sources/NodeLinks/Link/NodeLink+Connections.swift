import NIOCore
import StateMachine

// Which connection counts.
extension NodeLink {
    private static let maximumCandidates = 4

    /// A connection is proven.
    mutating func meet(
        _ node: ProvenNode,
        on connection: ConnectionID,
        _ dialer: LinkRole,
        using random: inout some RandomNumberGenerator
    ) {
        if dialer == .dialer { isDialing = false }
        switch runs.meet(node.run, isReachable: reachability.isReachable) {
        case .taken:
            tell(.refused(.nameTaken(other), by: .this))
            if dialer == .dialer { redial.fail(at: now, using: &random) }
            return outputs.append(.close(connection, .nameTaken(other)))
        case .new:
            closeAll(.superseded)
            endSession(.restarted)
            if !leads { lastAttempt = 0 }
        case .same: break
        }
        hear()
        if leads { return attach(connection, using: &random) }
        candidates.append((connection, now + options.silenceLimit))
        if candidates.count > Self.maximumCandidates {
            outputs.append(.close(candidates.removeFirst().id, .superseded))
        }
    }

    /// A connection is gone.
    mutating func forget(_ connection: ConnectionID, using random: inout some RandomNumberGenerator) {
        let wasCandidate = candidates.contains { $0.id == connection }
        candidates.removeAll { $0.id == connection }
        guard wasCandidate || active?.id == connection else { return }
        if active?.id == connection { active = nil }
        // One that was proven may still be refused, by a node that does not know this one any more.
        redial.fail(at: now, using: &random)
        if !leads { redial.wait(until: now + options.dialPatience) }
    }

    mutating func endDialing(using random: inout some RandomNumberGenerator) {
        isDialing = false
        redial.fail(at: now, using: &random)
    }

    /// Closes a connection of this link.
    mutating func close(
        _ connection: ConnectionID,
        _ refusal: LinkRefusal,
        using random: inout some RandomNumberGenerator
    ) {
        outputs.append(.close(connection, refusal))
        forget(connection, using: &random)
    }

    mutating func closeAll(_ refusal: LinkRefusal) {
        for candidate in candidates { outputs.append(.close(candidate.id, refusal)) }
        candidates = []
        if let active { outputs.append(.close(active.id, refusal)) }
        active = nil
    }

    /// Makes a connection the one that counts.
    mutating func activate(_ connection: ConnectionID) {
        candidates.removeAll { $0.id == connection }
        if let active, active.id != connection { outputs.append(.close(active.id, .superseded)) }
        active = ActiveConnection(
            connection,
            room: options.burstBytes,
            at: now,
            isDeaf: reachability.isDeaf
        )
    }

    mutating func hear() {
        if reachability.hear(at: now) { tell(.reachable) }
    }

    /// Whatever is due.
    mutating func checkTime(using random: inout some RandomNumberGenerator) {
        if reachability.checkSilence(at: now, options) { tell(.unreachable(since: reachability.heardAt)) }
        for candidate in candidates where now >= candidate.limit {
            close(candidate.id, .silent, using: &random)
        }
        if let active, let silentAt = active.silentAt(options), now >= silentAt {
            tell(.refused(.silent, by: .this))
            close(active.id, .silent, using: &random)
        }
        showLife()
        if canDial, now >= redial.nextAt {
            isDialing = true
            outputs.append(.dial)
        }
    }
}
