import PeerTreeCore

// What must hold at every step.

extension Simulation {
    /// A peer keeps to the bounds that its configuration sets, whatever its neighbours send.
    ///
    /// Among honest peers a look now and then is enough: it costs more than the step itself.
    func checkSafety(of client: Int) {
        guard clients[client].puppet == nil, !isStrict || steps % 16 == 0 else { return }
        guard let peer = clients[client].peer else { return }
        if let fault = peer.occupancy.excess(over: peer.configuration) {
            fail("client \(client): \(fault)")
        }
    }

    /// The tracker's tree has no cycle and nobody has more children than slots. Whoever was just placed is looked at,
    /// not the whole tree.
    func checkPlacement() {
        for peer in server.takePlaced() {
            if let fault = server.placementFault(of: peer, stripes: options.stripes) { fail(fault) }
        }
    }
}

extension SimulatedServer {
    func placementFault(of peer: PeerHandle, stripes: Int) -> String? {
        guard tracker.contains(peer), let tree, let count = try? tracker.viewerCount(of: tree) else { return nil }
        for stripe in 0..<stripes {
            var above = (try? tracker.parent(of: peer, stripe: stripe)) ?? nil
            if let parent = above, let fault = capacityFault(of: parent, stripe: stripe) { return fault }
            var levels = 0
            while let next = above {
                levels += 1
                guard levels <= count, next != peer else {
                    return "client \(client(of: peer) ?? -1) is its own ancestor in stripe \(stripe)"
                }
                above = (try? tracker.parent(of: next, stripe: stripe)) ?? nil
            }
        }
        return nil
    }

    private func capacityFault(of peer: PeerHandle, stripe: Int) -> String? {
        guard let children = try? tracker.children(of: peer, stripe: stripe).count,
            let capacity = try? tracker.capacity(of: peer, stripe: stripe), children > capacity
        else { return nil }
        return "client \(client(of: peer) ?? -1) has \(children) children in stripe \(stripe) and \(capacity) slots"
    }
}
