/// The first byte of every message on a native link.
package enum FrameType: UInt8 {
    case subscribe = 0x01
    case subscribed = 0x02
    case unsubscribe = 0x03
    case credit = 0x04
    case request = 0x05
    case unavailable = 0x06
    case skip = 0x07
    case heartbeat = 0x08
    case close = 0x09
    case inquire = 0x0A
    case head = 0x0B
    case restart = 0x0C
    case stream = 0x0D
    case pulling = 0x0E
    case pulse = 0x0F
    case chunk = 0x10
    case signedChunk = 0x11
    case sourceHead = 0x12
    case sourcePulse = 0x13
}

/// Why a frame from a neighbour was refused.
public enum FrameError: Error, Equatable, Sendable {
    /// Shorter than its type demands.
    case truncated
    /// A chunk's header length field is impossible.
    case badHeaderLength
    /// More payload than ``ChunkHeader/maximumPayload``.
    case oversized
    /// A stripe number out of range, or another one than the chunk's number is dealt to.
    case badStripe
    /// A sequence number out of range, or a reference before the stream's start.
    case badSequence
    /// The fragment index contradicts the flags.
    case badFragment
    /// A range that ends before it starts, or more ranges than allowed.
    case badRange
    /// The header of a block is impossible, or the chunk is none of the block's.
    case badBlock
    /// A value that this version does not define.
    case badValue
    /// A frame type that this version does not know. A later version may send it: it is ignored.
    case unknownType
}

/// A half-open run of sequence numbers.
public struct SequenceRange: Equatable, Sendable {
    /// The first number.
    public var start: UInt64
    /// One past the last number.
    public var end: UInt64

    /// Makes the run from `start` up to, but without, `end`.
    public init(start: UInt64, end: UInt64) {
        self.start = start
        self.end = end
    }
}

/// Where a subscription begins.
package enum SubscriptionStart: Equatable {
    /// A newcomer: the newest join point that the parent holds.
    case joinPoint
    /// A peer that already has everything before this number.
    case sequence(UInt64)
}

/// Why a neighbour closes a link; sent as the last frame on it.
public enum LinkCloseReason: UInt8, Sendable {
    /// The neighbour leaves the tree.
    case leaving = 1
    /// The receiver was too slow for the stream's bounds.
    case slow = 2
    /// The neighbour has another parent now.
    case moved = 3
    /// The sender broke the protocol.
    case protocolError = 4
    /// The neighbour does not accept this child.
    case refused = 5
}

/// Everything but chunks that travels on a native link.
package enum ControlFrame: Equatable {
    /// Child to parent: feed me this stripe. `window` chunks may be in flight before the first credit, be it
    /// none.
    case subscribe(stripe: UInt8, start: SubscriptionStart, window: UInt32, streamID: UInt64)
    /// Parent to child: the stripe follows from `start`; the parent has everything up to `next`.
    case subscribed(stripe: UInt8, policy: StreamPolicy, streamID: UInt64, start: UInt64, next: UInt64)
    /// Child to parent: stop feeding me this stripe.
    case unsubscribe(stripe: UInt8)
    /// Child to parent: you may send up to `limit`; I have everything up to `frontier`.
    case credit(limit: UInt64, frontier: UInt64, complete: Bool)
    /// To any neighbour: send me these again.
    case request([SequenceRange])
    /// Answer to a request: I do not have these.
    case unavailable([SequenceRange])
    /// Parent to child: these were cut on purpose, live video goes on behind them.
    case skip(stripe: UInt8, SequenceRange)
    /// I am alive. `echo` is the newest timestamp heard from the receiver, held for `held` microseconds.
    case heartbeat(timestamp: UInt64, echo: UInt64, held: UInt32)
    /// The link is about to close.
    case close(LinkCloseReason)
    /// Child to parent: how far has the source got? It goes up the stripe's tree to the source, and the answer comes down.
    case inquire(stripe: UInt8)
    /// Answer to an inquiry: when the source was asked, it had written everything below `next` and nothing more.
    case head(stripe: UInt8, next: UInt64)
    /// Parent to child: what I fed you does not go on. Subscribe again; from a join point if you are beyond `next`.
    case restart(stripe: UInt8, next: UInt64)

    /// Standby to ward: the stream that I have. What I am asked for, I am asked for by its numbers.
    case stream(UInt64)
    /// Parent to child: I am asking my standby. Wait for me before you ask yours.
    case pulling
    /// Parent to child: when the source's clock showed that, everything below `next` was written and nothing more.
    case pulse(next: UInt64, clock: UInt64)

    /// The most ranges in one request.
    package static let maximumRanges = 32
}
