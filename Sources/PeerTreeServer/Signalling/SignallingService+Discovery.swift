import JSON
import PeerTreeCore
import SocketIO

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
            sayWhatFollows()
            reply(to: peer)
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
        guard stateKey.isKept, now < restorationEnd, request.resumeToken == nil, !request.createsTree,
            let treeID = request.treeID, treeIDs[treeID] == nil, Credentials.isTreeID(treeID)
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
        let origin = clients[id]?.address?.number
        let peer = try ask { tracker, now throws(TrackerError) in
            try tracker.join(
                tree,
                isNative: request.isNative,
                capacity: request.capacity,
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
            var treeID = Credentials.treeID(using: &random)
            while treeIDs[treeID] != nil { treeID = Credentials.treeID(using: &random) }
            treeIDs[treeID] = peer.tree
            var entry = TreeEntry(id: treeID, source: peer, stripes: stripes, address: clients[id]?.address)
            entry.isEncrypted = request.isEncrypted
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
            addICEServers(for: member.id, to: &native)
            data["peerTree"] = .object(native)
        } else if peers.isEmpty, !peer.isSource {
            // A legacy viewer would take an empty list for being the source.
            data = ["err": .string(SignallingError(.treeFull).message)]
        }
        emit(.discover, ["id": .string(member.id), "discoveryData": .object(data)], to: peer)
    }
}

/// What a client asks for.
struct DiscoverRequest {
    let createsTree: Bool
    let treeID: String?
    let isNative: Bool
    let stripes: Int?
    let isEncrypted: Bool
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
