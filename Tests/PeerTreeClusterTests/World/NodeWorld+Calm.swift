import PeerTreeCore
import PeerTreeSignalling

@testable import PeerTreeCluster
@testable import PeerTreeSignalling

// What must be so once nothing has gone wrong for long enough.

extension NodeWorld {
    /// Each slot has one owner, of whom all nodes know; each client is in its tree, where its gateway and its tree's owner
    /// believe it is; and nobody else is.
    mutating func checkCalm() {
        for slot in options.slots { checkOwner(of: slot) }
        for number in clients.indices where clients[number].isAlive { checkPlace(of: number) }
        for node in nodes.indices { checkServices(of: node) }
        let living = clients.count(where: \.isAlive)
        let members = nodes.reduce(0) {
            $0 + ($1.process?.loops.reduce(0) { $0 + $1.tree.members.values.count(where: \.isConnected) } ?? 0)
        }
        if members != living { ledger.violate("\(living) clients, \(members) connected members", at: now) }
    }

    private func owners(of slot: Slot) -> [Int] {
        nodes.indices.filter { nodes[$0].process?.ownership.held[slot] != nil }
    }

    private mutating func checkOwner(of slot: Slot) {
        let owners = owners(of: slot)
        guard owners.count == 1, let owner = owners.first, let process = nodes[owner].process,
            let term = process.ownership.held[slot]
        else { return ledger.violate("slot \(slot.number) has the owners \(owners)", at: now) }
        if !process.ownership.isConfirmed(slot, at: now) {
            ledger.violate("node\(owner) is not sure of slot \(slot.number)", at: now)
        }
        for (number, node) in nodes.enumerated() {
            guard let other = node.process else { continue }
            let known = other.cluster.owners[slot]
            let session = number == owner ? .here : node.process?.cluster.nodes[nodes[owner].name]?.greeted?.session
            if known?.term != term || known?.node != session {
                ledger.violate(
                    "node\(number) takes \(String(describing: known)) for the owner of slot \(slot.number), which is node\(owner) in \(term)",
                    at: now
                )
            }
        }
    }

    private mutating func checkPlace(of number: Int) {
        let client = clients[number]
        guard client.isMember, let socket = client.socket, let tree = trees[client.audience] else {
            return ledger.violate("client \(number) has no place: \(client.standing)", at: now)
        }
        guard let owner = owners(of: Slot(ofTree: tree)).first,
            let service = nodes[owner].process?.loops[SignallingPart.part(of: Slot(ofTree: tree), among: options.loops)]
                .tree,
            let peer = service.memberIDs[socket.id], let member = service.members[peer],
            member.isConnected, member.id == socket.id, member.tree == tree
        else { return ledger.violate("client \(number) is no member of its tree", at: now) }
        let token = nodes[socket.node].process?.loops[socket.part].gateway.clients[socket.id]?.token
        if token?.number != member.number {
            ledger.violate("client \(number) is another one at its gateway", at: now)
        }
        if !client.isSource { checkParents(of: number, peer, service) }
    }

    private mutating func checkParents(of number: Int, _ peer: PeerHandle, _ service: TreeService) {
        guard let parent = try? service.tracker.parent(of: peer), let found = service.members[parent],
            let parentNumber = sockets[found.id]
        else { return ledger.violate("client \(number) has no parent", at: now) }
        guard found.isConnected, clients[parentNumber].isAlive else {
            return ledger.violate("client \(number) is below client \(parentNumber), which is gone", at: now)
        }
        if sockets[clients[number].parent?.id ?? ""] != parentNumber {
            ledger.violate(
                "client \(number) is below \(parentNumber) and takes \(clients[number].parent?.id ?? "nobody") for its parent",
                at: now
            )
        }
        var above = peer
        for _ in 0...clients.count where !above.isSource {
            guard let next = (try? service.tracker.parent(of: above)).flatMap({ $0 }) else { break }
            above = next
        }
        if !above.isSource { ledger.violate("client \(number) is not below the source", at: now) }
        let children = (try? service.tracker.children(of: parent).count) ?? 0
        if children > (try? service.tracker.wholeCapacity(of: parent)) ?? 0 {
            ledger.violate("\(children) children of client \(parentNumber)", at: now)
        }
    }

    /// No service has trees of slots that are others', and nobody waits for anything.
    private mutating func checkServices(of number: Int) {
        guard let process = nodes[number].process else { return ledger.violate("node\(number) is dead", at: now) }
        for loop in process.loops {
            for tree in loop.tree.treeIDs.ids where process.ownership.held[Slot(ofTree: tree)] == nil {
                ledger.violate(
                    "node\(number) has a tree of slot \(Slot(ofTree: tree).number), which is not its own",
                    at: now
                )
            }
            for socket in loop.gateway.pending.keys { ledger.violate("\(socket) is not answered", at: now) }
            if !loop.tree.restoration.claims.isEmpty || !loop.tree.restoration.awaitedParents.isEmpty {
                ledger.violate("node\(number) waits for somebody to come back", at: now)
            }
            if loop.tree.waitingCount > 0 { ledger.violate("joins wait at node\(number)", at: now) }
        }
        for (other, end) in process.links where !end.waiting.isEmpty {
            ledger.violate("node\(number) has frames for node\(other)", at: now)
        }
    }

    /// Once all clients are long gone: nothing is left of them.
    mutating func checkEmpty() {
        for (number, node) in nodes.enumerated() {
            for loop in node.process?.loops ?? [] {
                let left = [
                    loop.tree.peerCount, loop.tree.treeCount, loop.tree.memberIDs.count, loop.tree.memberNumbers.count,
                    loop.gateway.clientCount, loop.gateway.pending.count, loop.gateway.treesMade.count,
                ]
                if left.contains(where: { $0 > 0 }) {
                    ledger.violate(
                        "node\(number) has kept peers, trees, ids, numbers, clients, wishes, made trees: \(left)",
                        at: now
                    )
                }
            }
        }
    }
}
