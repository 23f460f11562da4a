// How the JavaScript side reads what the peer wants done: a number for the kind, and its values one after the other.
// `Web/src/machine.js` is the reader.

/// The place in linear memory where one output lies until the next one is asked for.
struct OutputRecord {
    /// Room for the values of any output but the parts of its message.
    static let capacity = 32

    let values: UnsafeMutablePointer<Double>
    private(set) var count = 0
    /// Per part of a message: frame, offset, length.
    private(set) var parts: [UInt32] = []
    /// Keeps the frames of the output alive until the next one is asked for.
    private var output: PeerOutput<HandleBuffer>?

    init() {
        values = .allocate(capacity: Self.capacity)
    }

    mutating func put(_ value: Double) {
        guard count < Self.capacity else { return }
        values[count] = value
        count += 1
    }

    mutating func put(count: UInt64) {
        put(Double(count))
    }

    mutating func clear() {
        count = 0
        parts.removeAll(keepingCapacity: true)
        output = nil
    }

    /// Writes an output down.
    ///
    /// - Returns: the number of its kind.
    mutating func write(_ output: PeerOutput<HandleBuffer>) -> Int32 {
        clear()
        self.output = output
        switch output {
        case .connect(let remote): return kind(1, remote.rawValue)
        case .cancelConnect(let remote): return kind(2, remote.rawValue)
        case .close(let link): return kind(3, link.rawValue)
        case .send(let link, let frame):
            put(part: frame)
            return kind(4, link.rawValue)
        case .sendMessage(let link, let message):
            _ = kind(5, link.rawValue)
            put(message)
            return 5
        case .deliver(let message):
            put(message)
            return 6
        case .gap(let gap):
            put(gap.isSkip ? 1 : 0)
            if let range = gap.range {
                put(Double(range.start))
                put(Double(range.end))
            }
            return 7
        case .attached(let stripe, let epoch): return kind(8, UInt32(stripe), epoch)
        case .orphaned(let stripe, let epoch, let reason):
            return kind(9, UInt32(stripe), epoch, UInt32(reason.rawValue))
        case .childLost(let remote, let reason): return kind(10, remote.rawValue, UInt32(reason.rawValue))
        case .upstream(let remote): return kind(11, remote.rawValue)
        case .downstream(let remote, let link): return kind(12, remote.rawValue, link.rawValue)
        case .neighbourGone(let remote, let role): return kind(13, remote.rawValue, role == .parent ? 0 : 1)
        case .writable: return kind(14)
        case .ended(let end): return kind(15, end == .complete ? 0 : 1)
        case .subtreeComplete: return kind(16)
        case .left: return kind(17)
        }
    }

    private mutating func kind(_ number: Int32, _ values: UInt32...) -> Int32 {
        for value in values { put(Double(value)) }
        return number
    }

    private mutating func put(_ message: Message<HandleBuffer>) {
        put(Double(message.sequence))
        put(Double(message.lastSequence))
        put(Double(message.timestamp))
        put(message.isText ? 1 : 0)
        put(message.isJoinPoint ? 1 : 0)
        put(message.retainedKey.map { Double($0) } ?? -1)
        for part in message.parts { put(part: part) }
    }

    private mutating func put(part: HandleBuffer) {
        parts.append(part.frame.number)
        parts.append(UInt32(clamping: part.offset))
        parts.append(UInt32(clamping: part.count))
    }
}
