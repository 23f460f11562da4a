/// How far the application is: what parents may send depends on it.
struct Reading {
    /// The application was given everything below, or will never be.
    private(set) var delivered: UInt64 = 0
    /// The application has taken everything below.
    private var consumed: UInt64 = 0

    /// The stream begins at `start`, or begins anew there.
    mutating func begin(at start: UInt64) {
        delivered = start
        consumed = start
    }

    mutating func deliver(through sequence: UInt64) {
        delivered = max(delivered, sequence + 1)
    }

    /// The application has taken everything up to `sequence`; it may still speak of a stream that was replaced.
    mutating func consume(through sequence: UInt64) {
        consumed = max(consumed, min(sequence.addingSaturating(1), delivered))
    }

    /// Where a window of credit begins. What waits for the rest of its message, which no application can take yet, is
    /// bounded by the largest message and costs none, or a message longer than the window would never be whole.
    func base(frontier: UInt64) -> UInt64 {
        consumed >= delivered ? max(consumed, frontier) : consumed
    }
}

extension UInt64 {
    /// The sum, or the largest number if that is not large enough.
    func addingSaturating(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
