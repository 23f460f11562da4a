/// What waits in a link's send queue, and how much may.
struct SendQueue {
    /// Bytes handed to the driver and not known to be sent.
    var buffered = 0
    /// How much of a live stream a child is handed ahead.
    var handOut: HandOut
    /// The limit of its send queue that the driver knows; nil while it is the one of the configuration.
    var knownLimit: Int?

    init(at now: Instant) {
        handOut = HandOut(at: now)
    }

    mutating func hand(_ bytes: Int) {
        buffered += bytes
        handOut.hand(bytes)
    }

    /// The driver says that so many bytes wait.
    mutating func report(_ bytes: Int, at now: Instant) {
        buffered = bytes
        handOut.report(bytes, at: now)
    }
}
