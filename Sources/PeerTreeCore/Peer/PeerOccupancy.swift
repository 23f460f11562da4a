/// How much a peer holds at one moment: what a simulation compares with the bounds after every step.
package struct PeerOccupancy: Equatable, Sendable {
    /// Links to parents and children.
    package var links = 0
    /// The most child links that one remote has.
    package var linksOfOneChild = 0
    /// The most stripes that one child is fed.
    package var subscriptionsOfOneLink = 0
    /// The most ranges that wait to be sent again on one link.
    package var rangesOfOneLink = 0
    /// The most bytes that wait in one link's send queue.
    package var bufferedOfOneLink = 0
    /// Requests passed on for others.
    package var fetches = 0
    /// Neighbours asked for the hole at the frontier.
    package var asked = 0
    /// Bytes of frames in the replay buffer.
    package var replayBytes = 0
    /// Numbers that the replay buffer spans.
    package var replaySpan: UInt64 = 0
    /// Join points noted in it, evicted ones that are still listed included.
    package var joinPoints = 0
    /// Keys under which a message is retained or being received.
    package var retainedKeys = 0
    /// Bytes of those.
    package var retainedBytes = 0
    /// Bytes of the message being put together.
    package var messageBytes = 0
    /// Bytes of frames that wait until the host has checked what came before.
    package var unprovenBytes = 0
}

extension Peer {
    /// What this peer holds now.
    package var occupancy: PeerOccupancy {
        var now = PeerOccupancy()
        now.links = links.count
        for link in links.values {
            let same = links.values.count { $0.role == .child && link.role == .child && $0.remote == link.remote }
            now.linksOfOneChild = max(now.linksOfOneChild, same)
            now.subscriptionsOfOneLink = max(now.subscriptionsOfOneLink, link.feeding.subscriptions.count)
            now.rangesOfOneLink = max(now.rangesOfOneLink, link.requests.ranges.count)
            now.bufferedOfOneLink = max(now.bufferedOfOneLink, link.queue.buffered)
        }
        now.fetches = repair.fetches.count
        now.asked = repair.hole?.asked.count ?? 0
        now.replayBytes = stream.replay.byteCount
        now.replaySpan = stream.replay.end - stream.replay.start
        now.joinPoints = stream.replay.joinPoints.count
        now.retainedKeys = stream.retained.inStreamOrder.count + stream.retained.partial.count
        now.retainedBytes = stream.retained.heldByteCount
        now.messageBytes = stream.reassembler.byteCount
        now.unprovenBytes = stream.gate?.byteCount ?? 0
        return now
    }
}

/// Where a peer stands in the stream: what an adversary in a simulation would like to know.
package struct PeerPosition: Equatable, Sendable {
    /// Everything below was delivered or given up; nil before the peer knows where it begins.
    package var frontier: UInt64?
    /// The lowest number that the replay buffer may hold, and one past its newest.
    package var start: UInt64
    package var end: UInt64
    /// Which stream it is.
    package var streamID: UInt64
    /// The source's clock as far as known.
    package var newestTimestamp: UInt64
}

extension Peer {
    /// Where this peer stands now.
    package var position: PeerPosition {
        PeerPosition(
            frontier: stream.frontier,
            start: stream.replay.start,
            end: stream.replay.end,
            streamID: stream.id,
            newestTimestamp: newestTimestamp
        )
    }
}
