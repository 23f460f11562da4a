/// The limits and timers of a peer. Every default suits a broadcast over the Internet.
public struct PeerConfiguration: Sendable {
    /// How many trees the stream is dealt over. Only the source's value counts; 1 to ``ChunkHeader/maximumStripes``.
    public var stripes: UInt8 = 1
    /// How many of the stripes carry the parity of the others, 0 or 1: with 1, whatever happens to any one of them, the stream
    /// goes on at once, for a share of one in ``stripes`` of what everyone sends. Only the source's value counts; a lossless
    /// stream has no parity, nor has one of a single stripe.
    public var parity: UInt8 = 0
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
    /// The largest message, in bytes: a source refuses to publish a larger one, a viewer reports it as a gap. Those of
    /// one tree should agree.
    public var maximumMessageBytes: Int = 16 << 20
    /// How many bytes of one link may wait in a signed tree until the host has checked them; four times as many of all.
    /// An honest parent of a lossless stream sends no more than a ``window``.
    public var maximumUnprovenBytes: Int = 16 << 20
    /// How many keys are retained for newcomers.
    public var maximumRetainedKeys: Int = 16
    /// The largest retained message, in bytes.
    public var maximumRetainedBytes: Int = 1 << 20
    /// How many links a peer keeps at most, parents and children together.
    public var maximumLinks: Int = 256
    /// How many children are fed where the server does not say how many there may be.
    public var maximumChildren: Int = 64
    /// How long a link waits for the server's word that its other end is a child. The word and the link come on different
    /// ways.
    public var admissionTimeout: TimeSpan = .seconds(3)
    /// How long a child that was given another parent is fed until it is cut off; it goes by itself once the other feeds
    /// it.
    public var releaseTimeout: TimeSpan = .seconds(10)
    /// How many frames a neighbour may send that are malformed or say what cannot be, before its link is closed.
    public var maximumMalformedFrames: Int = 16
    /// A link on which nothing was sent for this long gets a heartbeat.
    public var heartbeatInterval: TimeSpan = .milliseconds(200)
    /// A neighbour that was silent for this long is dead.
    public var silenceTimeout: TimeSpan = .milliseconds(900)
    /// The same for a link that is only kept for the worst case: to the peer that stands by, or from one that this peer
    /// stands by for. Seldom, since who is dead at the other end is known to the server long before, and who turns to one all
    /// the same loses no more than ``promotionTimeout``.
    public var warmHeartbeatInterval: TimeSpan = .seconds(4)
    /// After so long without a sign such a link is given up.
    public var warmSilenceTimeout: TimeSpan = .seconds(16)
    /// A parent is not forwarding once others have handed over nearly everything instead of it for so long.
    public var starvationLimit: TimeSpan = .seconds(1)
    /// How long a standby that this peer has turned to may take to begin to feed it.
    public var promotionTimeout: TimeSpan = .seconds(1)
    /// How long connecting to a new parent may take.
    public var connectTimeout: TimeSpan = .seconds(8)
    /// After so long the server is asked for another parent, which is tried beside it; for each that does not come about
    /// either, twice as long.
    public var attemptPatience: TimeSpan = .seconds(2)
    /// How long a connected parent may take to begin to feed a stripe.
    public var subscribeTimeout: TimeSpan = .seconds(10)
    /// After this long without a new parent an orphan asks again.
    public var orphanRetry: TimeSpan = .seconds(1)
    /// How long one neighbour may take to answer a repair request.
    public var repairRequestTimeout: TimeSpan = .milliseconds(500)
    /// A hole of which nothing could be repaired for this long is reported as a gap; at once if nobody has it and
    /// the stream is not lossless. In a lossless stream only the time counts for which the source could be asked, and whoever
    /// was asked sent nothing.
    public var repairTimeout: TimeSpan = .seconds(3)
    /// A child that holds a lossless stream back and owes this much time is detached. It owes the time for which it does,
    /// and works it off by taking the stream in at ``minimumRate``. Further down a tree it is less, by a tenth of what is
    /// left at the first hop below the source, so that the peer next to the culprit acts first.
    ///
    /// So long a lossless stream waits for a parent, too, that does nothing about what is missing.
    public var patience: TimeSpan = .seconds(10)
    /// How long a lossless stream waits for a child whose link broke before it runs on without it: ``patience`` in
    /// all, until the child has stayed for a minute.
    public var rejoinTimeout: TimeSpan = .seconds(3)
    /// How many bytes a second a child must take in that holds a lossless stream back; a stream that is itself slower asks
    /// no more than its own rate.
    public var minimumRate: Int = 32 << 10
    /// How much of a live stream a link is handed ahead, in the time that its queue takes to drain. What was handed over
    /// cannot be skipped any more.
    public var handOutTime: TimeSpan = .milliseconds(200)
    /// A child of a live stream that lags this far behind, in the source's time, is cut back to the next join point.
    public var maximumLiveLag: TimeSpan = .milliseconds(1_500)
    /// How long a leaving peer goes on feeding its children while they find new parents.
    public var leaveTimeout: TimeSpan = .seconds(2)
    /// How long a peer waits for more from its parent after the server said that the tree is over.
    public var endTimeout: TimeSpan = .seconds(2)

    /// The defaults.
    public init() {}

    /// How many bytes of a lossless stream can wait for the application at most: a window of chunks, the rest of a message
    /// that outlasts it, and what was retained. More comes only if a parent begins one stream after the other.
    public var maximumLosslessBacklog: Int {
        let retained = UInt64(clamping: maximumRetainedBytes).multipliedReportingOverflow(
            by: UInt64(clamping: maximumRetainedKeys)
        )
        let flowing = UInt64(window) * UInt64(ChunkHeader.maximumPayload)
        let whole = flowing.addingSaturating(UInt64(clamping: maximumMessageBytes))
        return Int(clamping: whole.addingSaturating(retained.overflow ? .max : retained.partialValue))
    }

    /// Whether what a source with these limits writes is cut into rows with parity.
    public var hasParity: Bool { parity > 0 && policy != .lossless && Row.widths.contains(stripes) }

    /// Whether a message may be published.
    ///
    /// - Throws: ``PublishError/messageTooLarge(bytes:limit:)`` if it is larger than ``maximumMessageBytes``.
    public func checkMessage(bytes: Int) throws(PublishError) {
        guard bytes <= maximumMessageBytes else {
            throw .messageTooLarge(bytes: bytes, limit: maximumMessageBytes)
        }
    }
}
