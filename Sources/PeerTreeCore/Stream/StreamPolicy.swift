/// What happens when a child cannot keep up. The source chooses it; relays learn it from their parents.
public enum StreamPolicy: UInt8, Sendable {
    /// Nothing may be lost and the source can wait (a file): a child that lags slows the stream down, hop by hop, until
    /// it catches up; one that makes no progress for ``PeerConfiguration/patience`` is detached.
    case lossless = 0
    /// Nothing may be lost but the source cannot wait (a recording in progress): a child that falls out of the replay
    /// buffer is detached; its siblings are never slowed.
    case paced = 1
    /// Live media: a child that lags is cut back to the next join point; its siblings are never slowed.
    case live = 2
}
