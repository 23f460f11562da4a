// Finding a place, and keeping it while sockets and servers come and go.

extension Membership {
    var entryDeadline: Instant {
        guard case .entering(_, let deadline) = phase else { return .distantFuture }
        guard let unreachable = server.unreachable else { return deadline }
        return min(deadline, unreachable.since + configuration.unreachablePatience)
    }

    mutating func enter(_ tree: Text?, at now: Instant) {
        guard phase == .outside else { return emit(.entryFailed(.alreadyInTree)) }
        phase = .entering(tree: tree, deadline: now + configuration.discoverTimeout)
        isSource = tree == nil
        server.unreachable?.since = now
        ask(.enter, at: now)
    }

    mutating func cancelEntering() {
        failEntering(.closed)
    }

    /// - Returns: whether there was anything to fail.
    @discardableResult
    mutating func failEntering(_ failure: EntryFailure) -> Bool {
        guard case .entering = phase else { return false }
        phase = .outside
        isSource = false
        // The server may have given a place that nobody waits for any more. One that knows no such event ignores it.
        if case .asked = server.pending, server.isConnected { emit(.emit(.leave)) }
        server.pending = .nothing
        _ = place.takeEarly()
        emit(.entryFailed(failure))
        return true
    }

    mutating func entryTimedOut(at now: Instant) {
        guard entryDeadline <= now else { return }
        failEntering(server.unreachable.map { .unreachable(reason: $0.reason) } ?? .timeout)
    }

    // MARK: Asking

    /// Asks for a place, at once or as soon as the server is there.
    mutating func ask(_ question: ServerLine.Question, at now: Instant) {
        guard server.isConnected else {
            server.pending = .later(question, now)
            return
        }
        server.pending = .asked(question, now + configuration.discoverTimeout)
        emit(.discover(request(question)))
    }

    private func request(_ question: ServerLine.Question) -> DiscoverRequest {
        var request = DiscoverRequest()
        request.agent = configuration.agent
        request.treeID = treeID
        name(&request, question)
        switch question {
        case .enter:
            if case .entering(let tree, _) = phase { request.treeID = tree }
            if isSource {
                request.stripes = configuration.stripes
                request.parity = configuration.parity
                request.isEncrypted = configuration.isEncrypted
            }
            request.capacity = configuration.capacity
        case .rejoin:
            request.isNative = server.isNative
            request.capacity = configuration.capacity
        case .resume:
            request.resumeToken = server.token
        }
        return request
    }

    /// The question that leads back to the tree this peer is in.
    private var wayBack: ServerLine.Question {
        server.token == nil ? .rejoin : .resume
    }

    private mutating func askLater(at now: Instant) {
        let spread = configuration.retryInterval.nanoseconds / 2
        let pause = configuration.retryInterval.nanoseconds + (spread > 0 ? random.next(upperBound: spread) : 0)
        server.pending = .later(wayBack, now + TimeSpan(nanoseconds: pause))
    }

    // MARK: Answers

    mutating func answered(_ answer: ServerEvent.Discovery, at now: Instant) {
        // What nobody asked for, or asked for something else, is an echo of earlier questions.
        guard case .asked(let question, _) = server.pending else { return }
        switch phase {
        case .entering(let tree, _): guard tree == nil || tree == answer.treeID else { return }
        case .member: guard treeID == answer.treeID else { return }
        case .outside, .over, .leaving, .left: return
        }
        if question == .enter, !isProven(answer) {
            failEntering(.unproven)
            return
        }
        server.pending = .nothing
        server.isNative = answer.additions != nil
        if let token = answer.additions?.resumeToken { server.token = token }
        if let capacity = answer.additions?.capacity { self.capacity = capacity }
        if let advice = answer.additions?.iceServers { iceServers.take(advice, at: now) }
        if question == .enter { begin(answer, at: now) } else if ownID != answer.id { emit(.renamed(id: answer.id)) }
        if let clock = answer.additions?.clock { emit(.serverClock(clock)) }
        ownID = answer.id
        sayPlace()
        take(answer)
        if question != .enter { recoverPaths(at: now) }
    }

    private mutating func begin(_ answer: ServerEvent.Discovery, at now: Instant) {
        phase = .member
        treeID = answer.treeID
        let (stripes, parity) = layout(answer.additions)
        place.stripes = Array(repeating: AssignedPlace.Stripe(), count: Int(stripes))
        place.parity = Int(parity)
        if isSource { depth = 0 }
        beginReports(at: now)
        // The peer begins before anything else the server may say is taken in.
        emit(.begin(isSource: isSource, stripes: stripes, parity: parity))
        emit(.entered(tree: answer.treeID, id: answer.id))
    }

    /// Over how many trees the stream is dealt. A source gets no more than it asked for; fewer, if its children are fewer;
    /// and an original server, which says nothing, knows of one.
    private func layout(_ said: ServerEvent.Discovery.Additions?) -> (stripes: UInt8, parity: UInt8) {
        guard let said else { return (1, 0) }
        var (stripes, parity) = (said.stripes, said.parity)
        if isSource {
            stripes = min(stripes, configuration.stripes)
            parity = min(parity, configuration.parity)
        }
        stripes = min(max(stripes, 1), ChunkHeader.maximumStripes)
        return (stripes, min(parity, stripes - 1, 1))
    }

    /// Takes the parents of an answer; whatever was said of others before is out of date.
    private mutating func take(_ answer: ServerEvent.Discovery) {
        guard !isSource else { return }
        if let additions = answer.additions {
            for stripe in place.stripes.indices { place.stripes[stripe] = AssignedPlace.Stripe() }
            for assignment in additions.parents { assigned(assignment) }
        } else if let parent = answer.peers.first, !isOwnOrBelow(parent, own: answer.id) {
            let assignment = ParentAssignment(parent: parent, stripe: 0, epoch: 0, depth: 0)
            assigned(assignment)
        }
        for assignment in place.takeEarly() { assigned(assignment) }
    }

    /// An original server may place whoever discovers again below itself, since it knows of no loss before a socket
    /// ends. Such an answer is passed over: an orphan asks again.
    private func isOwnOrBelow(_ id: Text, own: Text) -> Bool {
        guard id != own else { return true }
        guard let remote = remotes.known(id) else { return false }
        return sessions.values.contains { $0.role == .child && $0.remote == remote }
    }

    @inline(never)  // Once in the module for browsers, rather than wherever an answer is taken.
    mutating func assigned(_ assignment: ParentAssignment) {
        if case .entering = phase { return place.keep(assignment) }
        let index = Int(assignment.stripe)
        // Epochs only grow: an older one was overtaken by what came since.
        guard phase == .member, !isSource, index < place.stripes.count,
            assignment.epoch >= place.stripes[index].epoch
        else { return }
        if index == 0 {
            learn(depth: assignment.depth)
            sayPlace()
        }
        place.stripes[index].epoch = assignment.epoch
        // Without a parent no slot is free just now: another assignment follows.
        guard let parent = assignment.parent else { return }
        let remote = remotes.number(of: parent)
        place.stripes[index].parent = remote
        emit(.assigned(remote, stripe: assignment.stripe, epoch: assignment.epoch))
    }

    /// The server says what this peer is now.
    mutating func resumable(_ token: Text, _ capacity: Int?) {
        guard phase == .member else { return }
        server.token = token
        if let capacity { self.capacity = capacity }
        sayPlace()
    }

    /// A viewer is below the source: a server that does not know where says 0.
    mutating func learn(depth: UInt32) {
        if !isSource, depth > 0 { self.depth = depth }
    }

    // MARK: Refusals

    mutating func refusedPlace(_ code: Text?, _ message: Text, at now: Instant) {
        guard case .asked(let question, _) = server.pending else { return }
        let refusal = PlaceRefusal(code, message)
        guard question != .enter else {
            server.pending = .nothing
            failEntering(refusal == .treeIsGone ? .unknownTree : .refused(code: code ?? "error", message: message))
            return
        }
        switch refusal {
        case .forgotten where !isSource:
            // The server has forgotten this peer: it joins anew, and goes on where it stands.
            server.token = nil
            ask(.rejoin, at: now)
        case .later:
            askLater(at: now)
        case .forgotten, .treeIsGone, .final:
            server.pending = .nothing
            treeEnded()
        }
    }

    mutating func refused(_ code: Text, _ message: Text, at now: Instant) {
        guard phase == .member else { return }
        emit(.refused(code: code, message: message))
        guard server.question == nil else { return }
        if code == "attach-timeout" || code == "resumed-elsewhere", !isSource {
            // The place was given away, because no link came about in time or to another socket: what is still held is
            // worth a new one.
            server.token = nil
            ask(.rejoin, at: now)
        } else if code == "resumed-elsewhere" {
            treeEnded()
        } else if code == "not-a-member" {
            // The server was started again, behind something that kept the socket.
            ask(wayBack, at: now)
        }
    }

    /// The tree is over, or there is no way back into it.
    mutating func treeEnded() {
        guard phase == .member else { return }
        phase = .over
        emit(isSource ? .treeLost : .treeEnded)
    }

    // MARK: The server comes and goes

    mutating func serverConnected(at now: Instant) {
        guard !server.isConnected else { return }
        server.isConnected = true
        server.unreachable = nil
        switch phase {
        case .entering:
            ask(.enter, at: now)
        case .member:
            emit(.serverBack)
            abandonAttempts()
            // An original server is asked by orphans only: it would give everybody else another parent.
            if server.isNative { ask(wayBack, at: now) }
        case .outside, .over, .leaving, .left:
            break
        }
    }

    mutating func serverLost() {
        guard server.isConnected else { return }
        server.isConnected = false
        if case .asked(let question, let instant) = server.pending { server.pending = .later(question, instant) }
        if phase == .member { emit(.serverLost) }
    }

    mutating func serverUnreachable(_ reason: Text, _ isFinal: Bool, at now: Instant) {
        server.unreachable = (reason, server.unreachable?.since ?? now)
        if isFinal { failEntering(.unreachable(reason: reason)) }
    }

    mutating func orphaned(_ stripe: UInt8, _ epoch: UInt32, _ reason: LossReason) {
        guard phase == .member else { return }
        if server.isNative {
            tell(.orphaned(stripe: stripe, epoch: epoch, reason))
        } else if server.isConnected {
            // An original server places whoever discovers again. The orphan repeats itself until it has a parent.
            server.pending = .asked(.rejoin, .distantFuture)
            emit(.discover(request(.rejoin)))
        }
    }
}

/// What the refusal of a place means to a peer that is in a tree.
private enum PlaceRefusal {
    /// The server knows the tree, but not this peer's place.
    case forgotten
    /// A place may be free in a moment.
    case later
    /// The server knows no such tree.
    case treeIsGone
    /// Asking again would not help.
    case final

    init(_ code: Text?, _ message: Text) {
        guard let code else {
            self = message == "Tree does not exist." ? .treeIsGone : .final
            return
        }
        switch true {
        case code == "unknown-resume", code == "already-member": self = .forgotten
        case code == "tree-full", code == "server-full", code == "too-many-joins": self = .later
        case code == "unknown-tree": self = .treeIsGone
        default: self = .final
        }
    }
}
