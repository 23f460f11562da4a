import NIOCore

/// Messages from `send` until the last of their chunks is acknowledged or given up. Addressed by a number that is used again.
struct OutgoingMessages {
    struct Message {
        var payload: ByteBuffer
        var protocolIdentifier: UInt32
        /// Index of the stream.
        var stream: Int
        var isOrdered: Bool
        var reliability: Reliability
        /// Whether its bytes count as buffered.
        var isCounted: Bool
        /// SSN or MID, from the first fragment on.
        var number: UInt32 = 0
        /// Bytes that have a TSN, and fragments.
        var sent = 0
        var fragments: UInt32 = 0
        /// Chunks that are not acknowledged cumulatively, and the range they lie in.
        var chunks = 0
        var firstTSN = 0
        var lastTSN = 0
        var isAbandoned = false
        /// How often the sender had left something unsent when this was handed over.
        var turn: Int

        var unsent: Int { self.payload.readableBytes - self.sent }
        /// What it counts as buffered.
        var buffered: Int { self.isCounted ? self.unsent : 0 }
    }

    private var slots: ContiguousArray<Message> = []
    private var free: [Int] = []

    var count: Int { self.slots.count - self.free.count }

    subscript(_ index: Int) -> Message {
        _read { yield self.slots[index] }
        _modify { yield &self.slots[index] }
    }

    mutating func insert(_ message: Message) -> Int {
        if let index = self.free.popLast() {
            self.slots[index] = message
            return index
        }
        self.slots.append(message)
        return self.slots.count - 1
    }

    mutating func remove(_ index: Int) {
        self.slots[index].payload = ByteBuffer()
        self.free.append(index)
        if self.free.count == self.slots.count, self.slots.count > 256 { self = OutgoingMessages() }
    }
}
