import PeerTreeCore

extension PeerOccupancy {
    /// What is more than the configuration allows, in words; nil if nothing is.
    func excess(over limits: PeerConfiguration) -> String? {
        let frame = ChunkHeader.length + ChunkHeader.maximumPayload
        let retained = limits.maximumRetainedKeys * limits.maximumRetainedBytes
        var span: UInt64 = 64
        while span < UInt64(limits.replayChunks) { span *= 2 }
        let bounds: [(name: String, value: Int, limit: Int)] = [
            ("links", links, limits.maximumLinks),
            ("links of one child", linksOfOneChild, 1),
            ("stripes fed to one child", subscriptionsOfOneLink, Int(limits.stripes)),
            ("ranges asked for on one link", rangesOfOneLink, 4 * ControlFrame.maximumRanges),
            ("bytes queued on one link", bufferedOfOneLink, limits.highWater + frame + retained),
            ("fetches", fetches, 64),
            ("neighbours asked", asked, 2 * limits.maximumLinks),
            ("bytes in the replay buffer", replayBytes, limits.replayBytes + frame),
            ("numbers in the replay buffer", Int(clamping: replaySpan), Int(clamping: span)),
            ("join points", joinPoints, Int(clamping: 2 * span) + 2_048),
            ("retained keys", retainedKeys, 2 * limits.maximumRetainedKeys),
            ("retained bytes", retainedBytes, 3 * retained),
            ("bytes of one message", messageBytes, limits.maximumMessageBytes),
            ("unproven bytes", unprovenBytes, 4 * limits.maximumUnprovenBytes + 65_536),
        ]
        for bound in bounds where bound.value > bound.limit {
            return "\(bound.name): \(bound.value), at most \(bound.limit) are allowed"
        }
        return nil
    }
}
