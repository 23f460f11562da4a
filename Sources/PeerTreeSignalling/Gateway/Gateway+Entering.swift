import JSON
import PeerTreeCore

/// Who may enter: what is asked before the service of the tree is.
extension Gateway {
    mutating func discover(_ value: JSONValue?, from id: String) {
        guard let value, !value.isNull else {
            // The original answers so, with the id null.
            emit(.discover, ["id": nil, "discoveryData": ["err": "no discoveryData"]], to: id)
            return
        }
        withdraw(id)
        do throws(SignallingError) {
            try ask(try DiscoverRequest(value, options: options), from: id)
        } catch {
            refuseEntry(error, isNative: value["peerTree"] != nil, of: id)
        }
    }

    /// A client is gone, or asks for something else.
    mutating func withdraw(_ id: String) {
        guard let entry = pending[id] else { return }
        if entry.phase != .releasing { send(.withdraw(tree: entry.entry.tree, socket: id)) }
        if entry.phase == .waiting { pending[id] = nil } else { pending[id]?.isAbandoned = true }
    }

    private mutating func ask(_ request: DiscoverRequest, from id: String) throws(SignallingError) {
        guard let client = clients[id] else { return }
        wishes += 1
        let wish = Wish(socket: id, number: wishes)
        var entry = Entry(wish: wish, tree: "", address: client.address, request: request)
        if let text = request.resumeToken {
            let token = try resumeToken(text, request)
            guard client.token == nil || client.token?.number == token.number else { throw .alreadyMember }
            entry.token = token
            entry.tree = token.treeID
            return enter(entry)
        }
        try mayLeave(client.token, for: request)
        if request.createsTree {
            try admitTree(client)
            entry.tree = try newTree(request, from: id)
            if let member = client.member(id), client.token?.isSource ?? false, member.tree != entry.tree {
                pending[id] = PendingEntry(entry: entry, phase: .releasing)
                return send(.release(member, for: wish))
            }
        } else {
            guard let tree = request.treeID else { throw .unknownTree }
            if client.token?.treeID != tree { try admitJoin(tree, client) }
            entry.tree = tree
        }
        enter(entry)
    }

    /// Passes a client's wish on to the service of the tree.
    mutating func enter(_ entry: Entry) {
        if entry.makesTree {
            clients[entry.socket]?.treesCreated += 1
            if let address = entry.address { addresses.createTree(address) }
        }
        pending[entry.socket] = PendingEntry(entry: entry, phase: .entering, held: pending[entry.socket]?.held ?? [])
        send(.enter(entry))
    }

    /// The service that was asked is gone: the one in its place is asked what that was.
    mutating func askAgain(_ id: String) {
        guard let entry = pending[id] else { return }
        if entry.phase == .releasing {
            guard let member = clients[id]?.member(id) else { return enter(entry.entry) }
            return send(.release(member, for: entry.entry.wish))
        }
        pending[id]?.phase = .entering
        send(.enter(entry.entry))
    }

    /// No answer will come.
    mutating func giveUp(_ id: String) {
        guard let entry = pending.removeValue(forKey: id), entry.hasReserved else { return }
        clients[id]?.treesCreated -= 1
        if let address = entry.entry.address { addresses.endTree(address) }
    }

    private func resumeToken(_ text: String, _ request: DiscoverRequest) throws(SignallingError) -> ResumeToken {
        guard let token = ResumeToken(text, security: security), UInt64(token.expiry) > unixTime,
            request.treeID == nil || request.treeID == token.treeID
        else { throw .unknownResume }
        return token
    }

    /// A source stays with its tree. A client that had no answer in time asks again for one, and knows nothing of the
    /// first: whether anybody is in that its service knows.
    private func mayLeave(_ place: ResumeToken?, for request: DiscoverRequest) throws(SignallingError) {
        guard let place, place.isSource, !request.createsTree else { return }
        throw request.treeID == place.treeID ? SignallingError(.sourceJoinsOwnTree) : .alreadySource
    }

    /// The id of a tree to be made: that of the source's key, or a new one.
    private mutating func newTree(_ request: DiscoverRequest, from id: String) throws(SignallingError) -> String {
        guard request.key != nil else { return Credentials.treeID(using: &random) }
        guard let proof = request.proof, proof.isTrue(forSocket: id, security), mayBeCalled(proof.host)
        else { throw .unproven }
        return proof.treeID
    }

    /// Whether a source may say that it dialled this host: an operator who has said what the server is called keeps out
    /// proofs that were given to another server.
    private func mayBeCalled(_ host: String) -> Bool {
        options.hosts.isEmpty || options.hosts.contains { $0.lowercased() == host.lowercased() }
    }

    /// Holds the limits on what one socket and one address may create.
    private func admitTree(_ client: GatewayClient) throws(SignallingError) {
        guard client.access.mayCreate(at: unixTime) else { throw .mayNotCreate }
        guard client.treesCreated < options.maximumTreesPerSocket else { throw .tooManyTrees }
        guard let address = client.address else { return }
        guard addresses.mayCreateTree(address) else { throw .tooManyTrees }
    }

    private mutating func admitJoin(_ tree: String, _ client: GatewayClient) throws(SignallingError) {
        guard client.access.mayJoin(tree, at: unixTime) else { throw .mayNotJoin }
        guard let address = client.address else { return }
        guard addresses.join(address, at: now) else { throw .tooManyJoins }
    }

    mutating func refuseEntry(_ error: SignallingError, isNative: Bool, of id: String) {
        refused(error)
        var data: JSONObject = ["err": .string(error.message)]
        if isNative { data["code"] = .string(error.code) }
        emit(.discover, ["id": .string(id), "discoveryData": .object(data)], to: id)
    }

    /// A peer whose credentials are about to expire asks for new ones.
    mutating func sendICEServers(to id: String) {
        var data: JSONObject = ["iceServers": []]
        options.iceServers.add(for: id, unixTime: unixTime, security, to: &data)
        emit(.iceServers, .object(data), to: id)
    }
}
