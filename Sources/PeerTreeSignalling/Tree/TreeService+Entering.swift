import JSON
import PeerTreeCore

/// Entering: creating a tree, joining one, coming back to one.
extension TreeService {
    /// A client asks for a place.
    mutating func enter(_ entry: Entry, from gateway: GatewayID) {
        guard slots[entry.slot] != nil else { return }
        guard !mayComeBack(entry) else {
            restoration.waitingJoins.add(entry, from: gateway, until: restorationEnd(of: entry.tree))
            return tell(.waits(entry.wish), of: entry.slot, to: gateway)
        }
        answer(entry, from: gateway)
    }

    private mutating func answer(_ entry: Entry, from gateway: GatewayID) {
        do throws(SignallingError) {
            let (peer, hasMadeTree) = try admit(entry, from: gateway)
            // A source that takes its tree over begins with the answer, and would not hear of its children before.
            if entry.request.createsTree { reply(to: peer) }
            sayWhatFollows()
            if !entry.request.createsTree { reply(to: peer) }
            tell(.answered(entry.wish, hasMadeTree: hasMadeTree), of: entry.slot, to: gateway)
            summarySoon(peer.tree)
            if entry.token != nil { admitWaiting(for: entry.tree) }
        } catch {
            sayWhatFollows()
            tell(.refused(entry.wish, error), of: entry.slot, to: gateway)
        }
    }

    /// A client that has asked for a place is gone, or wants it no more.
    mutating func withdraw(_ socket: String, from tree: String) {
        restoration.waitingJoins.remove(socket)
        guard let peer = memberIDs[socket], trees[peer.tree]?.id == tree else { return }
        lostSocket(socket, of: peer)
    }

    /// A source is about to make another tree. It may have had no answer in time and know nothing of this one.
    mutating func release(_ member: MemberSocket, for wish: Wish, from gateway: GatewayID) {
        if let source = peer(member), source.isSource {
            guard (try? tracker.viewerCount(of: source.tree)) ?? 0 == 0 else {
                return tell(.refused(wish, .alreadySource), of: Slot(ofTree: member.tree), to: gateway)
            }
            track(.leave(source))
        }
        tell(.released(wish), of: Slot(ofTree: member.tree), to: gateway)
    }

    // MARK: Waiting for a tree to be restored

    /// When joins stop to wait for a tree of an earlier term.
    private func restorationEnd(of tree: String) -> Instant {
        (slots[ofTree: tree]?.since ?? .zero) + options.restorationWait
    }

    /// Whether peers of an earlier term may be about to come back.
    func isRestoring(at now: Instant) -> Bool { security.isStateKept && now < slots.newest + options.restorationWait }

    /// Whether a request is to join a tree that is not known, but may be once its first peer has come back.
    private func mayComeBack(_ entry: Entry) -> Bool {
        guard security.isStateKept, now < restorationEnd(of: entry.tree), entry.token == nil, !entry.makesTree,
            treeIDs[entry.tree] == nil,
            Credentials.isTreeID(entry.tree) || SourceKey.isTreeID(Text(entry.tree))
        else { return false }
        return !restoration.endedTrees.contains(entry.tree)
            && share.hasRoom(forJoinBeside: restoration.waitingJoins.count)
    }

    mutating func admitWaiting(for tree: String) {
        for (entry, gateway) in restoration.waitingJoins.take(tree) { answer(entry, from: gateway) }
    }

    /// Answers whoever has waited for long enough.
    mutating func endWaiting() {
        for (entry, gateway) in restoration.waitingJoins.takeDue(at: now) { answer(entry, from: gateway) }
    }

    // MARK: Places

    private mutating func admit(
        _ entry: Entry,
        from gateway: GatewayID
    ) throws(SignallingError) -> (PeerHandle, hasMadeTree: Bool) {
        if let token = entry.token { return (try resume(token, entry, from: gateway), false) }
        guard entry.makesTree else { return (try join(entry, from: gateway), false) }
        if let source = try ownTree(entry, from: gateway) { return (source, false) }
        return (try create(entry, from: gateway), true)
    }

    private mutating func create(_ entry: Entry, from gateway: GatewayID) throws(SignallingError) -> PeerHandle {
        guard share.hasRoom(forPeerBeside: members.count) else { throw .serverFull }
        guard share.hasRoom(forTreeBeside: trees.count) else {
            throw SignallingError(.tooManyTrees(limit: options.tracker.maximumTrees))
        }
        let request = entry.request
        restoration.endedTrees.remove(entry.tree)
        let source = try ask { tracker, now throws(TrackerError) in
            try tracker.createTree(
                isNative: request.isNative,
                capacity: request.capacity,
                stripes: request.stripes,
                parity: request.parity,
                at: now
            )
        }
        treeIDs[entry.tree] = source.tree
        var tree = TreeEntry(id: entry.tree, source: source, layout: layout(of: source.tree))
        tree.origin = gateway
        tree.isEncrypted = request.isEncrypted
        tree.key = request.proof?.key
        trees[source.tree] = tree
        register(source, entry, from: gateway, stripes: tree.layout.stripes)
        return source
    }

    private func layout(of tree: TreeHandle) -> StripeLayout {
        (try? tracker.layout(of: tree)) ?? .single
    }

    private mutating func join(_ entry: Entry, from gateway: GatewayID) throws(SignallingError) -> PeerHandle {
        guard let tree = treeIDs[entry.tree], let found = trees[tree] else { throw .unknownTree }
        let request = entry.request
        if let current = memberIDs[entry.socket], current.tree == tree {
            _ = try ask { tracker, now throws(TrackerError) in try tracker.rejoin(current, at: now) }
            dashboard.changed(current)
            return current
        }
        guard request.isNative || !found.isEncrypted else { throw .encryptedTree }
        guard share.hasRoom(forPeerBeside: members.count) else { throw .serverFull }
        // Original clients can prove nothing to those below them.
        let isSigned = found.key != nil || SourceKey.isTreeID(Text(found.id))
        let peer = try ask { tracker, now throws(TrackerError) in
            try tracker.join(
                tree,
                isNative: request.isNative,
                capacity: request.capacity,
                isLeaf: !request.isNative && isSigned,
                origin: entry.address,
                at: now
            )
        }
        register(peer, entry, from: gateway, stripes: found.layout.stripes)
        trees[tree]?.activity.joins += 1
        return peer
    }

    private mutating func register(_ peer: PeerHandle, _ entry: Entry, from gateway: GatewayID, stripes: Int) {
        let number = newNumber()
        members[peer] = Member(
            id: entry.socket,
            tree: entry.tree,
            gateway: gateway,
            isNative: entry.request.isNative,
            stripes: stripes,
            number: number,
            statusInterval: options.statusInterval
        )
        members[peer]?.report.agent = entry.request.agent
        memberNumbers[number] = peer
        memberIDs[entry.socket] = peer
        dashboard.changed(peer)
        tellEntered(peer)
    }

    /// A number that nobody has. 0 stands for whoever has not come back yet.
    private mutating func newNumber() -> UInt64 {
        var number = random.next()
        while number == 0 || memberNumbers[number] != nil { number = random.next() }
        return number
    }

    /// Tells its gateway which place a socket has.
    mutating func tellEntered(_ peer: PeerHandle) {
        guard let member = members[peer], let token = token(of: peer) else { return }
        tell(.entered(socket: member.id, isNative: member.isNative, token), of: member.slot, to: member.gateway)
    }

    /// Tells a peer where it is.
    private mutating func reply(to peer: PeerHandle) {
        guard let member = members[peer], let entry = trees[peer.tree] else { return }
        var peers: [JSONValue] = []
        var parents: [JSONValue] = []
        for stripe in 0..<entry.layout.stripes {
            guard let assignment = try? tracker.assignment(of: peer, stripe: stripe) else { continue }
            guard let parent = assignment.parent, let name = name(of: parent, for: peer) else { continue }
            if !peers.contains(.string(name)) { peers.append(.string(name)) }
            parents.append([
                "stripe": JSONValue(stripe), "id": .string(name), "epoch": JSONValue(assignment.epoch),
                "depth": JSONValue(assignment.depth),
            ])
        }
        pruneSessions(of: peer)
        var data: JSONObject = ["peers": .array(peers), "treeID": .string(entry.id)]
        if member.isNative, let token = token(of: peer) {
            let text = text(of: token, for: peer)
            var native: JSONObject = [
                "v": JSONValue(SignallingVersion.current), "resume": .string(text),
                "stripes": JSONValue(entry.layout.stripes),
                "capacity": JSONValue(children(of: peer)),
                "parents": .array(parents),
            ]
            if entry.layout.parity > 0 { native["parity"] = JSONValue(entry.layout.parity) }
            if let key = entry.key {
                native["key"] = .string(Text(hexadecimal: key.bytes).string)
                native["clock"] = JSONValue(unixMilliseconds)
            }
            options.iceServers.add(for: member.id, unixTime: unixTime, security, to: &native)
            data["peerTree"] = .object(native)
        } else if peers.isEmpty, !peer.isSource {
            // A legacy viewer would take an empty list for being the source.
            data = ["err": .string(SignallingError(.treeFull).message)]
        }
        emit(.discover, ["id": .string(member.id), "discoveryData": .object(data)], to: peer)
    }
}

// MARK: Signed trees

extension TreeService {
    /// A tree that is there already, and that the sender has proved to be its own, is taken over: its source has come back.
    /// So is one that was made by this very socket, whose wish came twice.
    ///
    /// - Returns: the source of a tree that was there; nil if there is none.
    private mutating func ownTree(_ entry: Entry, from gateway: GatewayID) throws(SignallingError) -> PeerHandle? {
        guard let tree = treeIDs[entry.tree], let found = trees[tree] else { return nil }
        guard let source = members[found.source] else { return nil }
        guard let proof = entry.request.proof else {
            guard source.number != 0, source.id == entry.socket else { throw .treeExists }
            return found.source
        }
        let wanted = try ask { tracker, _ throws(TrackerError) in
            try tracker.layout(
                stripes: entry.request.stripes,
                parity: entry.request.parity,
                ofSourceWith: tracker.wholeCapacity(of: found.source)
            )
        }
        guard found.layout == wanted else { throw .otherStripes(found.layout) }
        learnKey(proof.key, of: tree)
        trees[tree]?.isEncrypted = entry.request.isEncrypted
        // The server was started again, and the source's last run has not come back: this one is in its place.
        guard source.number != 0 else {
            let arrival = Announcement(entry, token: makeToken(ofStandIn: found), place: ClaimedPlace())
            return try restore(arrival, isAnnounced: false, from: gateway)
        }
        takeOver(found.source, by: entry.socket, at: gateway)
        return found.source
    }

    /// What the last run of a source that has not come back could have shown.
    private mutating func makeToken(ofStandIn entry: TreeEntry) -> ResumeToken {
        let number = newNumber()
        let capacity = UInt16(clamping: children(of: entry.source))
        return ResumeToken(
            term: .none,
            number: number,
            expiry: .max,
            isSource: true,
            isEncrypted: entry.isEncrypted,
            layout: entry.layout,
            interiorStripe: nil,
            capacity: capacity,
            sourceCapacity: capacity,
            treeID: entry.id,
            ids: []
        )
    }

    /// A server that was started again learns the key of a signed tree from whoever comes back to it: the tree's id says
    /// which it is.
    mutating func learnKey(_ key: SourceKey?, of tree: TreeHandle) {
        guard let key, let id = trees[tree]?.id, key.treeID == Text(id) else { return }
        trees[tree]?.key = key
    }
}
