/// The stream as far as a peer has it.
struct HeldStream<Buffer: FrameBuffer> {
    /// Which stream this is. A source that starts over, or a hop through a plain link, makes a new one.
    var id: UInt64
    /// What happens to slow children; a viewer learns it from its parent.
    var policy: StreamPolicy
    /// The newest part of it.
    var replay: ReplayBuffer<Buffer>
    /// The newest message of each key.
    var retained: RetainedMessages<Buffer>
    /// The message that is being put together.
    var reassembler: Reassembler<Buffer>
    /// Everything below was delivered or given up; nil until this peer knows where it begins.
    var frontier: UInt64?
    /// What comes from neighbours waits here until it is proven; nil in an unsigned tree.
    var gate: ProofGate<Buffer>?
    /// What the source says of it under its signature; nothing in an unsigned tree.
    var word = SourceWord<Buffer>()
    /// How far the application is.
    var reading = Reading()
    /// Whether the newest chunk is of a row with parity.
    var hasRows = false
    /// The position turned out impossible: the next answer of a parent says where the stream begins anew.
    var isStartingOver = false

    init(id: UInt64, frontier: UInt64?, isProven: Bool, _ configuration: PeerConfiguration) {
        self.id = id
        self.frontier = frontier
        policy = configuration.policy
        replay = ReplayBuffer(
            maximumChunks: configuration.replayChunks,
            maximumBytes: configuration.replayBytes
        )
        retained = RetainedMessages(
            maximumKeys: configuration.maximumRetainedKeys,
            maximumBytes: configuration.maximumRetainedBytes
        )
        reassembler = Reassembler(maximumMessageBytes: configuration.maximumMessageBytes)
        guard isProven else { return }
        gate = ProofGate(
            maximumBytesPerLink: configuration.maximumUnprovenBytes,
            maximumBytes: 4 * configuration.maximumUnprovenBytes
        )
    }
}
