import JSON
import PeerTreeCore

/// Discovery: creating a tree, joining one, coming back to one.
extension SignallingService {
    mutating func discover(_ value: JSONValue?, from id: String) {
        guard let value, !value.isNull else {
            // The original answers so, with the id null.
            emit(.discover, ["id": nil, "discoveryData": ["err": "no discoveryData"]], to: id)
            return
        }
        waitingJoins.remove(id)
        do throws(SignallingError) {
            let request = try DiscoverRequest(value, options: options)
            guard !mayComeBack(request) else { return wait(request, from: id) }
            answer(request, from: id)
        } catch {
            refuseDiscovery(error, isNative: value["peerTree"] != nil, from: id)
        }
    }

    private mutating func answer(_ request: DiscoverRequest, from id: String) {
        do throws(SignallingError) {
            let peer = try enter(request, from: id)
            // A source that takes its tree over begins with the answer, and would not hear of its children before.
            if request.createsTree { reply(to: peer) }
            sayWhatFollows()
            if !request.createsTree { reply(to: peer) }
            summarySoon(peer.tree)
            if let treeID = request.resumeToken == nil ? nil : trees[peer.tree]?.id { admitWaiting(for: treeID) }
        } catch {
            refuseDiscovery(error, isNative: request.isNative, from: id)
        }
    }

    private mutating func refuseDiscovery(_ error: SignallingError, isNative: Bool, from id: String) {
        sayWhatFollows()
        refused(error)
        var data: JSONObject = ["err": .string(error.message)]
        if isNative { data["code"] = .string(error.code) }
        emit(.discover, ["id": .string(id), "discoveryData": .object(data)], to: id)
    }

    // MARK: Waiting for a tree to be restored

    /// When joins stop to wait for trees of the run before.
    var restorationEnd: Instant { startedAt + options.restorationWait }

    /// Whether a request is to join a tree that is not known, but may be once its first peer has come back.
    private func mayComeBack(_ request: DiscoverRequest) -> Bool {
        guard security.isStateKept, now < restorationEnd, request.resumeToken == nil, !request.createsTree,
            let treeID = request.treeID, treeIDs[treeID] == nil,
            Credentials.isTreeID(treeID) || SourceKey.isTreeID(Text(treeID))
        else { return false }
        return !endedTreeIDs.contains(treeID) && waitingJoins.count < options.maximumWaitingJoins
    }

    private mutating func wait(_ request: DiscoverRequest, from id: String) {
        guard let treeID = request.treeID else { return }
        guard clients[id]?.access.mayJoin(treeID, at: unixTime) ?? false else {
            return refuseDiscovery(.mayNotJoin, isNative: request.isNative, from: id)
        }
        var request = request
        request.place = ClaimedPlace()
        waitingJoins.add(id, treeID, request)
    }

    private mutating func admitWaiting(for treeID: String) {
        for (id, request) in waitingJoins.take(treeID) { answer(request, from: id) }
    }

    /// Answers whoever has waited for long enough.
    mutating func endWaiting() {
        guard waitingJoins.count > 0, now >= restorationEnd else { return }
        for (id, request) in waitingJoins.takeAll() { answer(request, from: id) }
    }

    private mutating func enter(_ request: DiscoverRequest, from id: String) throws(SignallingError) -> PeerHandle {
        let current = clients[id]?.member
        if let token = request.resumeToken {
            let peer = try resume(token, request, from: id)
            learnKey(request.key, of: peer.tree)
            if let agent = request.agent { members[peer]?.report.agent = agent }
            return peer
        }
        if let current, current.isSource {
            guard request.createsTree || request.treeID != trees[current.tree]?.id else {
                throw SignallingError(.sourceJoinsOwnTree)
            }
            // A client that had no answer in time asks again, and knows nothing of the first tree.
            let hasViewers = ((try? tracker.viewerCount(of: current.tree)) ?? 0) > 0
            guard request.createsTree, !hasViewers else { throw .alreadySource }
        }
        if request.createsTree {
            try admitTree(from: id)
            if request.key != nil, let source = try signedTree(request, from: id) {
                if current != source { leave(current) }
                return source
            }
            let source = try ask { tracker, now throws(TrackerError) in
                try tracker.createTree(
                    isNative: request.isNative,
                    capacity: request.capacity,
                    stripes: request.stripes ?? 1,
                    at: now
                )
            }
            if let address = clients[id]?.address { addresses.createTree(address) }
            clients[id]?.treesCreated += 1
            register(source, from: id, request, stripes: request.stripes ?? 1)
            leave(current)
            return source
        }
        guard let treeID = request.treeID, let tree = treeIDs[treeID], let entry = trees[tree] else {
            throw .unknownTree
        }
        if let current, current.tree == tree {
            _ = try ask { tracker, now throws(TrackerError) in try tracker.rejoin(current, at: now) }
            dashboard.changed(current)
            return current
        }
        guard request.isNative || !entry.isEncrypted else { throw .encryptedTree }
        guard request.isNative || entry.stripes == 1 else {
            throw SignallingError(code: "needs-stripes", message: "This tree needs a client that knows stripes.")
        }
        try admitJoin(treeID, from: id)
        let origin = clients[id]?.address
        // Original clients can prove nothing to those below them.
        let isSigned = entry.key != nil || SourceKey.isTreeID(Text(entry.id))
        let peer = try ask { tracker, now throws(TrackerError) in
            try tracker.join(
                tree,
                isNative: request.isNative,
                capacity: request.capacity,
                isLeaf: !request.isNative && isSigned,
                origin: origin,
                at: now
            )
        }
        register(peer, from: id, request, stripes: entry.stripes)
        leave(current)
        return peer
    }

    /// Holds the limits on what one socket, one address and all together may create.
    private mutating func admitTree(from id: String) throws(SignallingError) {
        guard members.count < options.maximumPeers else { throw .serverFull }
        guard let client = clients[id] else { return }
        guard client.access.mayCreate(at: unixTime) else { throw .mayNotCreate }
        guard client.treesCreated < options.maximumTreesPerSocket else { throw .tooManyTrees }
        guard let address = client.address else { return }
        guard addresses.mayCreateTree(address, options: options) else { throw .tooManyTrees }
    }

    private mutating func admitJoin(_ treeID: String, from id: String) throws(SignallingError) {
        guard clients[id]?.access.mayJoin(treeID, at: unixTime) ?? false else { throw .mayNotJoin }
        guard members.count < options.maximumPeers else { throw .serverFull }
        guard let address = clients[id]?.address else { return }
        guard addresses.join(address, options: options, at: now) else { throw .tooManyJoins }
    }

    /// A peer is in one tree at a time: entering another one leaves the first.
    private mutating func leave(_ previous: PeerHandle?) {
        if let previous { track(.leave(previous)) }
    }

    private mutating func register(_ peer: PeerHandle, from id: String, _ request: DiscoverRequest, stripes: Int) {
        let isNative = request.isNative
        var number = random.next()
        while number == 0 || memberNumbers[number] != nil { number = random.next() }
        members[peer] = Member(
            id: id,
            isNative: isNative,
            stripes: stripes,
            number: number,
            statusInterval: options.statusInterval
        )
        members[peer]?.report.agent = request.agent
        if isNative { memberNumbers[number] = peer }
        memberIDs[id] = peer
        if peer.isSource {
            var treeID = request.proof?.treeID ?? Credentials.treeID(using: &random)
            while treeIDs[treeID] != nil { treeID = Credentials.treeID(using: &random) }
            treeIDs[treeID] = peer.tree
            var entry = TreeEntry(id: treeID, source: peer, stripes: stripes, address: clients[id]?.address)
            entry.isEncrypted = request.isEncrypted
            entry.key = request.proof?.key
            trees[peer.tree] = entry
        }
        if !peer.isSource { trees[peer.tree]?.activity.joins += 1 }
        dashboard.changed(peer)
        let previous = clients[id]?.member
        clients[id]?.member = peer
        if let previous { members[previous]?.isConnected = false }
    }

    /// Tells a peer where it is.
    private mutating func reply(to peer: PeerHandle) {
        guard let member = members[peer], let entry = trees[peer.tree] else { return }
        var peers: [JSONValue] = []
        var parents: [JSONValue] = []
        for stripe in 0..<entry.stripes {
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
        if let token = makeToken(for: peer) {
            var native: JSONObject = [
                "v": JSONValue(SignallingVersion.current), "resume": .string(token),
                "stripes": JSONValue(entry.stripes),
                "capacity": JSONValue(children(of: peer)),
                "parents": .array(parents),
            ]
            if let key = entry.key { native["key"] = .string(Text(hexadecimal: key.bytes).string) }
            addICEServers(for: member.id, to: &native)
            data["peerTree"] = .object(native)
        } else if peers.isEmpty, !peer.isSource {
            // A legacy viewer would take an empty list for being the source.
            data = ["err": .string(SignallingError(.treeFull).message)]
        }
        emit(.discover, ["id": .string(member.id), "discoveryData": .object(data)], to: peer)
    }
}

// MARK: Signed trees

extension SignallingService {
    /// Checks that a signed tree is the sender's. One that is there already is taken over: its source has come back.
    ///
    /// - Returns: the source of a tree that was there; nil if there is none.
    private mutating func signedTree(_ request: DiscoverRequest, from id: String) throws(SignallingError) -> PeerHandle?
    {
        guard let proof = request.proof, proof.isTrue(forSocket: id, security), mayBeCalled(proof.host)
        else { throw .unproven }
        endedTreeIDs.remove(proof.treeID)
        guard let tree = treeIDs[proof.treeID], let entry = trees[tree] else { return nil }
        guard entry.stripes == request.stripes ?? 1, let source = members[entry.source] else {
            throw SignallingError(
                code: "other-stripes",
                message: "This tree is there with \(entry.stripes) stripes. Use as many, or wait until it has ended."
            )
        }
        learnKey(proof.key, of: tree)
        trees[tree]?.isEncrypted = request.isEncrypted
        // The server was started again, and the source's last run has not come back: this one is in its place.
        if source.number == 0 { return try restore(makeToken(ofStandIn: entry), at: ClaimedPlace(), from: id) }
        takeOver(entry.source, by: id)
        return entry.source
    }

    /// What the last run of a source that has not come back could have shown.
    private mutating func makeToken(ofStandIn entry: TreeEntry) -> ResumeToken {
        var number = random.next()
        while number == 0 || memberNumbers[number] != nil { number = random.next() }
        let capacity = UInt16(clamping: (try? tracker.capacity(of: entry.source)) ?? 0)
        return ResumeToken(
            run: run,
            number: number,
            expiry: .max,
            isSource: true,
            isEncrypted: entry.isEncrypted,
            stripes: UInt8(clamping: entry.stripes),
            interiorStripe: nil,
            capacity: capacity,
            sourceCapacity: capacity,
            treeID: entry.id,
            ids: []
        )
    }

    /// Whether a source may say that it dialled this host: an operator who has said what the server is called keeps out
    /// proofs that were given to another server.
    private func mayBeCalled(_ host: String) -> Bool {
        options.hosts.isEmpty || options.hosts.contains { $0.lowercased() == host.lowercased() }
    }

    /// A server that was started again learns the key of a signed tree from whoever comes back to it: the tree's id says
    /// which it is.
    private mutating func learnKey(_ key: SourceKey?, of tree: TreeHandle) {
        guard let key, let id = trees[tree]?.id, key.treeID == Text(id) else { return }
        trees[tree]?.key = key
    }
}

/// What a client asks for.
struct DiscoverRequest {
    let createsTree: Bool
    let treeID: String?
    let isNative: Bool
    let stripes: Int?
    let isEncrypted: Bool
    /// The key of a signed tree.
    let key: SourceKey?
    /// That the tree is the sender's.
    let proof: TreeProof?
    let capacity: Int?
    let resumeToken: String?
    /// The program, for dashboards: see ``agentName(_:)``.
    let agent: String?
    /// Where a peer that comes back is.
    var place: ClaimedPlace

    /// The first 48 characters of a program's name, of letters, digits and a few marks: it is shown to people.
    private static func agentName(_ text: String?) -> String? {
        guard let text else { return nil }
        let allowed = text.utf8.prefix(48).filter { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: " "), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "/"): true
            default: false
            }
        }
        return allowed.isEmpty ? nil : String(decoding: allowed, as: UTF8.self)
    }

    init(_ value: JSONValue, options: SignallingOptions) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        createsTree = try payload.flag("createNew")
        treeID = try payload.optionalString("treeID")
        let native = try payload.object("peerTree")
        isNative = native != nil
        stripes = try native?.optionalInteger("stripes")
        isEncrypted = try native?.flag("encrypted") ?? false
        let key = try native?.optionalBytes("key", count: SourceKey.length).flatMap { SourceKey($0) }
        let signature = try native?.optionalBytes("proof", count: Signature.length).flatMap { Signature($0) }
        let host = try native?.optionalString("host")
        self.key = key
        proof =
            if let key, let signature, let host { TreeProof(key: key, signature: signature, host: host) } else { nil }
        capacity = try native?.optionalInteger("capacity")
        resumeToken = try native?.optionalToken("resume")
        agent = Self.agentName(try native?.optionalString("agent"))
        place = if let place = try native?.object("place") { try ClaimedPlace(place) } else { ClaimedPlace() }
        if let native {
            let version = try native.integer("v")
            guard version == SignallingVersion.current else { throw .otherVersion(version) }
        }
    }
}
