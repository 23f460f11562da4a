// Leaving: the server finds new parents for the children while this peer goes on feeding them.

extension Membership {
    mutating func leave() {
        failEntering(.closed)
        switch phase {
        case .outside:
            phase = .left
            emit(.left)
        case .member, .over:
            sayGoodbye()
            phase = .leaving(isHandedOver: false)
            emit(.handOver)
        case .entering, .leaving, .left:
            break
        }
    }

    private mutating func sayGoodbye() {
        guard phase == .member else { return }
        tell(.leave)
        // An original server learns of it by the socket's end alone; children that ask it earlier get no new place.
        if !server.isNative { emit(.disconnectServer) }
    }

    /// There is no time for more than a word.
    mutating func stop() {
        failEntering(.closed)
        sayGoodbye()
        for session in sessions.values { drop(session) }
        phase = .left
        emit(.left)
    }

    mutating func handedOver() {
        guard case .leaving = phase else { return }
        for session in sessions.values where session.isPending { drop(session) }
        phase = .leaving(isHandedOver: true)
        finishLeaving()
    }

    /// What was sent last has to get out.
    mutating func finishLeaving() {
        guard case .leaving(isHandedOver: true) = phase, sessions.values.isEmpty else { return }
        phase = .left
        emit(.left)
    }
}
