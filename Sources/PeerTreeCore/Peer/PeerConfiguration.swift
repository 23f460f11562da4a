/// The limits and timers of a peer. Every default suits a broadcast over the Internet.
public struct PeerConfiguration: Sendable {
    /// How many trees the stream is dealt over. Only the source's value counts; 1 to ``ChunkHeader/maximumStripes``.
    public var stripes: UInt8 = 1
    /// What happens to slow children. Only the source's value counts.
    public var policy: StreamPolicy = .lossless
    /// How many chunks the replay buffer spans at most. At most 32 bytes of bookkeeping each are allocated as needed.
    public var replayChunks: Int = 16_384
    /// How many bytes the replay buffer holds at most.
    public var replayBytes: Int = 32 << 20
    /// How many chunks may be on their way to a child, or waiting for the application, before a lossless stream waits.
    ///
    /// Keep it at half of what the replay buffer holds or less: `window` chunks of 16 KiB in `replayBytes`.
    public var window: UInt32 = 1024
    /// How many bytes may wait in a link's send queue before the peer holds chunks back in the replay buffer.
    public var highWater: Int = 1 << 20
    /// The largest message that is put together, in bytes; larger ones are reported as a gap.
    public var maximumMessageBytes: Int = 16 << 20
    /// How many keys are retained for newcomers.
    public var maximumRetainedKeys: Int = 16
    /// The largest retained message, in bytes.
    public var maximumRetainedBytes: Int = 1 << 20
    /// How many links a peer keeps at most, parents and children together.
    public var maximumLinks: Int = 256
    /// How many malformed frames a neighbour may send before its link is closed.
    public var maximumMalformedFrames: Int = 16
    /// A link on which nothing was sent for this long gets a heartbeat.
    public var heartbeatInterval: TimeSpan = .milliseconds(200)
    /// A neighbour that was silent for this long is dead.
    public var silenceTimeout: TimeSpan = .milliseconds(900)
    /// How long connecting to a new parent may take.
    public var connectTimeout: TimeSpan = .seconds(8)
    /// How long a connected parent may take to begin to feed a stripe.
    public var subscribeTimeout: TimeSpan = .seconds(10)
    /// After this long without a new parent an orphan asks again.
    public var orphanRetry: TimeSpan = .seconds(1)
    /// How long one neighbour may take to answer a repair request.
    public var repairRequestTimeout: TimeSpan = .milliseconds(500)
    /// A hole that could not be repaired for this long is reported as a gap.
    public var repairTimeout: TimeSpan = .seconds(3)
    /// A child that blocks a lossless stream and makes no progress for this long is detached.
    public var patience: TimeSpan = .seconds(10)
    /// A child of a live stream that lags this far behind, in the source's time, is cut back to the next join point.
    public var maximumLiveLag: TimeSpan = .milliseconds(1_500)
    /// How long a leaving peer goes on feeding its children while they find new parents.
    public var leaveTimeout: TimeSpan = .seconds(2)
    /// How long a peer waits for more from its parent after the server said that the tree is over.
    public var endTimeout: TimeSpan = .seconds(2)

    /// The defaults.
    public init() {}
}
