import NIOCore
import NodeLinks
import PeerTreeCore

import struct NodeLinks.LinkID

@testable import PeerTreeCluster

// Links as `NodeLinks` promises them: frames in order, which a cut delays; a session lasts as long as both processes, unless
// one side gives it up; and both ends hear whether the other can be reached.

extension NodeWorld {
    mutating func addLink(_ one: Int, _ other: Int) {
        guard nodes[one].process?.links[other] == nil else { return }
        nodes[one].process?.links[other] = LinkEnd(silentSince: now)
    }

    mutating func removeLink(_ one: Int, _ other: Int) { nodes[one].process?.links[other] = nil }

    func isConnected(_ one: Int, _ other: Int) -> Bool {
        isRunning(one) && isRunning(other) && (cuts[[one, other].sorted()] ?? .zero) <= now
    }

    mutating func send(_ frame: [UInt8], from number: Int, to other: Int) {
        guard nodes[number].process?.links[other]?.session != nil else { return }
        nodes[number].process?.links[other]?.waiting.append(frame)
        flush(number, other)
    }

    /// What waits goes out, if there is a connection.
    private mutating func flush(_ number: Int, _ other: Int) {
        guard isConnected(number, other), let end = nodes[number].process?.links[other], let session = end.session,
            nodes[other].process?.links[number]?.session == session
        else { return }
        nodes[number].process?.links[other]?.waiting = []
        for frame in end.waiting {
            let address = Address(node: other, life: nodes[other].life, executor: .cluster)
            plan(.frame(address, from: number, session, frame), at: arrival(at: other, from: number))
        }
    }

    /// When the next thing that is said over a link arrives.
    private mutating func arrival(at number: Int, from other: Int) -> Instant {
        let isSlow = isTroubled && options.troubles.contains(.lag) && chance(5)
        let soon = now + delay(0...(isSlow ? 3_000 : 3))
        let at = max(soon, nodes[number].process?.links[other]?.arrivedAt ?? .zero)
        nodes[number].process?.links[other]?.arrivedAt = at
        return at
    }

    /// What of a session that is over is still under way is left out.
    mutating func take(_ frame: [UInt8], of session: LinkID, from other: Int, at address: Address) {
        guard isThere(address), nodes[address.node].process?.links[other]?.session == session else { return }
        hear(.received(ByteBuffer(bytes: frame)), of: other, at: address.node)
    }

    private mutating func hear(_ event: LinkEvent, of other: Int, at number: Int) {
        post(.cluster(.link(nodes[other].name, event)), to: .cluster, of: number)
    }

    // MARK: Reach and sessions

    /// Links come and go a moment after what makes them.
    mutating func updateLinks() {
        expireLeases()
        for one in nodes.indices {
            for other in nodes.indices where other > one { updateLink(one, other) }
        }
        plan(.links, in: .milliseconds(100))
    }

    private mutating func updateLink(_ one: Int, _ other: Int) {
        let ends = [(one, other), (other, one)]
        guard isConnected(one, other), let first = nodes[one].process?.links[other],
            let second = nodes[other].process?.links[one]
        else {
            for (number, peer) in ends { beSilent(number, peer) }
            return
        }
        for (number, peer) in ends {
            nodes[number].process?.links[peer]?.silentSince = now
            if nodes[number].process?.links[peer]?.isReachable != true {
                nodes[number].process?.links[peer]?.isReachable = true
                hear(.reachable, of: peer, at: number)
            }
        }
        if first.session == nil || first.session != second.session {
            let session = LinkID(using: &random)
            for (number, peer) in ends { beginSession(session, of: number, with: peer) }
        }
        for (number, peer) in ends { flush(number, peer) }
    }

    private mutating func beginSession(_ session: LinkID, of number: Int, with other: Int) {
        endSession(of: number, with: other, .restarted)
        nodes[number].process?.links[other]?.session = session
        hear(.sessionStarted(session), of: other, at: number)
    }

    /// One end gives the session up; the other one hears of it when the next one begins.
    mutating func endSession(of number: Int, with other: Int, _ reason: SessionEnd) {
        guard let end = nodes[number].process?.links[other], end.session != nil else { return }
        nodes[number].process?.links[other]?.session = nil
        nodes[number].process?.links[other]?.waiting = []
        hear(.sessionEnded(reason, lost: 1..<1), of: other, at: number)
    }

    private mutating func beSilent(_ number: Int, _ other: Int) {
        guard isRunning(number), let end = nodes[number].process?.links[other], end.isReachable != false,
            end.silentSince + .seconds(1) <= now
        else { return }
        nodes[number].process?.links[other]?.isReachable = false
        hear(.unreachable(since: .uptimeNanoseconds(end.silentSince.nanoseconds)), of: other, at: number)
    }
}
