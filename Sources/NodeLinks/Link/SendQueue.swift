import NIOCore

/// What was given to a session and is not acknowledged yet, in the order of its numbers, sent or not.
struct SendQueue {
    private var payloads = CircularBuffer<ByteBuffer>()
    /// How many of them this connection has taken.
    private var sent = 0
    /// The number of the first one.
    private(set) var first: UInt64 = 1
    /// Payloads and what frames add to them.
    private(set) var bytes = 0

    var count: Int { payloads.count }
    /// The number that comes next.
    var next: UInt64 { first + UInt64(payloads.count) }
    /// All that nobody has acknowledged.
    var numbers: Range<UInt64> { first..<next }

    static func cost(_ payload: ByteBuffer) -> Int {
        payload.readableBytes + LinkFrame.dataOverhead + LinkFrame.lengthBytes
    }

    /// Whether the limits allow one more.
    func hasRoom(for payload: ByteBuffer, _ options: LinkOptions) -> Bool {
        count < options.maximumQueuedFrames && bytes + Self.cost(payload) <= options.maximumQueuedBytes
    }

    /// Whether the user is to wait, and whether it may go on.
    func isFull(_ options: LinkOptions) -> Bool {
        bytes >= options.writableBelowBytes || count >= options.writableBelowFrames
    }

    func isLow(_ options: LinkOptions) -> Bool {
        bytes <= options.writableBelowBytes / 2 && count <= options.writableBelowFrames / 2
    }

    mutating func append(_ payload: ByteBuffer) {
        payloads.append(payload)
        bytes += Self.cost(payload)
    }

    /// The next one that this connection has not taken, which it thereby takes.
    mutating func takeNext() -> (number: UInt64, payload: ByteBuffer)? {
        guard sent < payloads.count else { return nil }
        defer { sent += 1 }
        return (first + UInt64(sent), payloads[offset: sent])
    }

    /// Forgets all up to `number`.
    ///
    /// - Returns: false if a node that has got what was sent could not say so.
    mutating func acknowledge(_ number: UInt64, onThisConnection: Bool) -> Bool {
        let limit = onThisConnection ? first + UInt64(sent) : next
        guard number >= first - 1, number < limit else { return false }
        while first <= number, let payload = payloads.popFirst() {
            bytes -= Self.cost(payload)
            first += 1
            sent = max(0, sent - 1)
        }
        return true
    }

    /// Everything left has to go over a new connection.
    mutating func rewind() { sent = 0 }
}

extension CircularBuffer {
    fileprivate subscript(offset offset: Int) -> Element { self[index(startIndex, offsetBy: offset)] }
}
