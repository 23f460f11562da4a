import PeerTreeCore
import SocketIO

/// Discovery: creating a tree, joining one, coming back to one.
extension SignallingService {
    mutating func discover(_ value: JSONValue?, from id: String) {
        guard let value, !value.isNull else {
            // The original answers so, with the id null.
            emit(SignallingEvent.discover, ["id": nil, "discoveryData": ["err": "no discoveryData"]], to: id)
            return
        }
        do throws(SignallingError) {
            let request = try DiscoverRequest(value, options: options)
            let peer = try enter(request, from: id)
            sayWhatFollows()
            reply(to: peer)
            summarySoon(peer.tree)
        } catch {
            sayWhatFollows()
            var data: JSONObject = ["err": .string(error.message)]
            if value["peerTree"] != nil { data["code"] = .string(error.code) }
            emit(SignallingEvent.discover, ["id": .string(id), "discoveryData": .object(data)], to: id)
        }
    }

    private mutating func enter(_ request: DiscoverRequest, from id: String) throws(SignallingError) -> PeerHandle {
        let current = clients[id]?.member
        if let token = request.resumeToken { return try resume(token, request, from: id) }
        if let current, current.isSource {
            guard request.createsTree || request.treeID != trees[current.tree]?.id else {
                throw SignallingError(.sourceJoinsOwnTree)
            }
            throw SignallingError(code: "already-source", message: "You are the source of a tree. Leave it first.")
        }
        if request.createsTree {
            let source = try ask { tracker, now throws(TrackerError) in
                try tracker.createTree(
                    isNative: request.isNative,
                    capacity: request.capacity,
                    stripes: request.stripes ?? 1,
                    at: now
                )
            }
            register(source, from: id, isNative: request.isNative, stripes: request.stripes ?? 1)
            leave(current)
            return source
        }
        guard let treeID = request.treeID, let tree = treeIDs[treeID], let entry = trees[tree] else {
            throw .unknownTree
        }
        if let current, current.tree == tree {
            _ = try ask { tracker, now throws(TrackerError) in try tracker.rejoin(current, at: now) }
            return current
        }
        guard request.isNative || entry.stripes == 1 else {
            throw SignallingError(code: "needs-stripes", message: "This tree needs a client that knows stripes.")
        }
        let peer = try ask { tracker, now throws(TrackerError) in
            try tracker.join(tree, isNative: request.isNative, capacity: request.capacity, at: now)
        }
        register(peer, from: id, isNative: request.isNative, stripes: entry.stripes)
        leave(current)
        return peer
    }

    /// A peer is in one tree at a time: entering another one leaves the first.
    private mutating func leave(_ previous: PeerHandle?) {
        if let previous { track(.leave(previous)) }
    }

    /// Gives a membership, kept while its socket was gone, to the socket `id`.
    private mutating func resume(
        _ token: String,
        _ request: DiscoverRequest,
        from id: String
    ) throws(SignallingError) -> PeerHandle {
        guard let number = Credentials.number(inToken: token), let peer = memberNumbers[number],
            let member = members[peer], Credentials.isEqual(member.resumeToken, token),
            request.treeID == nil || request.treeID == trees[peer.tree]?.id
        else { throw .unknownResume }
        let current = clients[id]?.member
        guard current == nil || current == peer else {
            throw SignallingError(code: "already-member", message: "You are in a tree already. Leave it first.")
        }
        if member.isConnected, member.id != id {
            // The server has not noticed yet that the old socket is dead; should it live, it is told.
            clients[member.id]?.member = nil
            let error = SignallingError(
                code: "resumed-elsewhere",
                message: "Your place was taken over by another socket."
            )
            refuse(SignallingEvent.discover, error, to: member.id)
        }
        if let dropped = members[peer]?.rename(id) { memberIDs[dropped] = nil }
        members[peer]?.isConnected = true
        memberIDs[id] = peer
        clients[id]?.member = peer
        track(.signallingResumed(peer))
        return peer
    }

    private mutating func register(_ peer: PeerHandle, from id: String, isNative: Bool, stripes: Int) {
        var number = random.next()
        while memberNumbers[number] != nil { number = random.next() }
        let token = isNative ? Credentials.resumeToken(number: number, using: &random) : ""
        members[peer] = Member(
            id: id,
            isNative: isNative,
            stripes: stripes,
            number: number,
            resumeToken: token,
            statusInterval: options.statusInterval
        )
        if isNative { memberNumbers[number] = peer }
        memberIDs[id] = peer
        if peer.isSource {
            var treeID = Credentials.treeID(using: &random)
            while treeIDs[treeID] != nil { treeID = Credentials.treeID(using: &random) }
            treeIDs[treeID] = peer.tree
            trees[peer.tree] = TreeEntry(id: treeID, source: peer, stripes: stripes)
        }
        let previous = clients[id]?.member
        clients[id]?.member = peer
        if let previous { members[previous]?.isConnected = false }
    }

    /// Tells a peer where it is.
    private mutating func reply(to peer: PeerHandle) {
        guard let member = members[peer], let entry = trees[peer.tree] else { return }
        var peers: [JSONValue] = []
        var parents: [JSONValue] = []
        var standbys: [JSONValue] = []
        var capacity = 0
        for stripe in 0..<entry.stripes {
            guard let assignment = try? tracker.assignment(of: peer, stripe: stripe) else { continue }
            capacity = max(capacity, (try? tracker.capacity(of: peer, stripe: stripe)) ?? 0)
            members[peer]?.standby[stripe] = assignment.standby
            if let standby = assignment.standby, let other = members[standby], !standbys.contains(.string(other.id)) {
                standbys.append(.string(other.id))
            }
            guard let parent = assignment.parent, let other = members[parent] else { continue }
            if !peers.contains(.string(other.id)) { peers.append(.string(other.id)) }
            parents.append([
                "stripe": JSONValue(stripe), "id": .string(other.id), "epoch": JSONValue(assignment.epoch),
                "depth": JSONValue(assignment.depth),
            ])
        }
        pruneSessions(of: peer)
        var data: JSONObject = ["peers": .array(peers), "treeID": .string(entry.id)]
        if member.isNative {
            var native: JSONObject = [
                "v": 1, "resume": .string(member.resumeToken), "stripes": JSONValue(entry.stripes),
                "capacity": JSONValue(peer.isSource ? capacity : capacity / entry.stripes),
                "parents": .array(parents), "standby": .array(standbys),
            ]
            addICEServers(for: member.id, to: &native)
            data["peerTree"] = .object(native)
        } else if peers.isEmpty, !peer.isSource {
            // A legacy viewer would take an empty list for being the source.
            data = ["err": .string(SignallingError(.treeFull).message)]
        }
        emit(SignallingEvent.discover, ["id": .string(member.id), "discoveryData": .object(data)], to: peer)
    }
}

/// What a client asks for.
struct DiscoverRequest {
    let createsTree: Bool
    let treeID: String?
    let isNative: Bool
    let stripes: Int?
    let capacity: Int?
    let resumeToken: String?

    static let version = 1

    init(_ value: JSONValue, options: SignallingOptions) throws(SignallingError) {
        let payload = try Payload(value, options: options)
        createsTree = try payload.flag("createNew")
        treeID = try payload.optionalString("treeID")
        let native = try payload.object("peerTree")
        isNative = native != nil
        stripes = try native?.optionalInteger("stripes")
        capacity = try native?.optionalInteger("capacity")
        resumeToken = try native?.optionalString("resume")
        if let native {
            guard try native.integer("v") == Self.version else {
                throw SignallingError(code: "unknown-version", message: "peerTree.v must be \(Self.version).")
            }
        }
    }
}
