import JSON
import PeerTreeCore
import StateMachine

/// What the services of trees say.
extension Gateway {
    /// - Parameter fence: In whose name it is said.
    mutating func take(_ message: ToGateway, _ fence: FencingToken) {
        switch message {
        case .entered(let socket, let isNative, let token): entered(socket, isNative: isNative, token)
        case .renewed(let member, let token):
            if isHere(member) { clients[member.socket]?.standing?.value.token = token }
        case .answered(let wish, let hasMadeTree):
            if isPending(wish) { finish(wish.socket, hasMadeTree: hasMadeTree) }
        case .refused(let wish, let error):
            if isPending(wish) { refusedEntry(error, of: wish.socket) }
        case .waits(let wish):
            if isPending(wish) { pending[wish.socket]?.phase = .waiting }
        case .released(let wish):
            if isPending(wish) { released(wish.socket) }
        case .emit(let member, let event, let payload):
            passOn(event, payload, to: member)
        case .refuse(let member, let event, let error):
            if isHere(member) { refuse(event, error, to: member.socket) }
        case .probe(let member):
            if isHere(member) { probe(member.socket) }
        case .left(let member):
            if isHere(member) { unseat(member.socket) }
        case .replaced(let member):
            guard isHere(member) else { return }
            seat(member.socket, nil)
            refuse(SignallingName.discover.string, .resumedElsewhere, to: member.socket)
        case .treeEnded(let tree): endTree(tree)
        case .hold:
            send(.held(fence.slot))
            owners.hold(fence)
        case .carryOn: for message in owners.carryOn(fence.slot) { send(message) }
        case .answer(let watcher, let answer): pass(answer, to: watcher)
        }
    }

    /// Whether a socket is there and still has this place: what is said to one that has another is out of date.
    private func isHere(_ member: MemberSocket) -> Bool {
        clients[member.socket]?.standing?.value.token.number == member.number
    }

    private func isPending(_ wish: Wish) -> Bool { pending[wish.socket]?.entry.wish == wish }

    /// Passes on what a member is told.
    private mutating func passOn(_ event: SignallingName, _ payload: JSONValue, to member: MemberSocket) {
        guard let place = clients.index(forKey: member.socket),
            clients.values[place].hears(event, payload, as: member.number)
        else { return }
        emit(event, payload, to: member.socket)
    }

    private mutating func entered(_ socket: String, isNative: Bool, _ token: ResumeToken) {
        guard let place = clients.index(forKey: socket) else { return }
        let previous = clients.values[place].member(socket)
        guard previous?.number != token.number else {
            clients.values[place].standing?.value.token = token
            return
        }
        // A peer is in one tree at a time: entering another one leaves the first.
        if let previous { send(.leave(previous)) }
        let request = pending[socket]?.entry.request
        let standing = Standing(
            token: token,
            isNative: isNative,
            agent: request?.agent,
            place: request?.place ?? ClaimedPlace()
        )
        seat(socket, standing)
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
