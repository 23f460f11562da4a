import JSON
import PeerTreeCore

/// What the services of trees say.
extension Gateway {
    mutating func take(_ message: ToGateway) {
        switch message {
        case .entered(let socket, let membership): entered(socket, membership)
        case .answered(let wish, let hasMadeTree):
            if isPending(wish) { finish(wish.socket, hasMadeTree: hasMadeTree) }
        case .refused(let wish, let error):
            if isPending(wish) { refusedEntry(error, of: wish.socket) }
        case .waits(let wish):
            if isPending(wish) { pending[wish.socket]?.phase = .waiting }
        case .released(let wish):
            if isPending(wish) { released(wish.socket) }
        case .emit(let member, let event, let payload):
            if isHere(member) { emit(event, payload, to: member.socket) }
        case .refuse(let member, let event, let error):
            if isHere(member) { refuse(event, error, to: member.socket) }
        case .probe(let member):
            if isHere(member) { probe(member.socket) }
        case .left(let member):
            if isHere(member) { clients[member.socket]?.membership = nil }
        case .replaced(let member):
            guard isHere(member) else { return }
            clients[member.socket]?.membership = nil
            refuse(SignallingName.discover.string, .resumedElsewhere, to: member.socket)
        case .treeEnded(let tree): endTree(tree)
        case .answer(let watcher, let answer): pass(answer, to: watcher)
        }
    }

    /// Whether a socket is there and still has this place: what is said to one that has another is out of date.
    private func isHere(_ member: MemberSocket) -> Bool {
        clients[member.socket]?.membership?.number == member.number
    }

    private func isPending(_ wish: Wish) -> Bool { pending[wish.socket]?.entry.wish == wish }

    private mutating func entered(_ socket: String, _ membership: Membership) {
        guard let client = clients[socket] else { return }
        // A peer is in one tree at a time: entering another one leaves the first.
        if let previous = client.member(socket), previous.number != membership.number { send(.leave(previous)) }
        clients[socket]?.membership = membership
    }

    private mutating func refusedEntry(_ error: SignallingError, of socket: String) {
        guard let entry = pending[socket] else { return }
        if !entry.isAbandoned { refuseEntry(error, isNative: entry.entry.request.isNative, of: socket) }
        finish(socket, hasMadeTree: false)
    }

    private mutating func released(_ socket: String) {
        guard let entry = pending[socket], entry.phase == .releasing else { return }
        if entry.isAbandoned { pending[socket] = nil } else { enter(entry.entry) }
    }

    /// A tree that was made here is over.
    mutating func endTree(_ tree: String) {
        if let address = treesMade.removeValue(forKey: tree) { addresses.endTree(address) }
    }

    /// A client is answered. What it said meanwhile is next.
    private mutating func finish(_ socket: String, hasMadeTree: Bool) {
        guard let entry = pending[socket] else { return }
        if hasMadeTree {
            pending[socket] = nil
            if let address = entry.entry.address { treesMade[entry.entry.tree] = address }
        } else {
            giveUp(socket)
        }
        guard !entry.isAbandoned else { return }
        var held = entry.held[...]
        while let next = held.popFirst() {
            dispatch(next.name, next.arguments, from: socket)
            guard pending[socket] != nil, pending[socket]?.phase != .waiting else { continue }
            pending[socket]?.held = Array(held)
            return
        }
    }
}
