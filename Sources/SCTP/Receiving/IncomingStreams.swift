import NIOCore

/// Messages that are whole, in order, and have not been taken by the owner.
struct ReadyMessages {
    private var queue = CircularBuffer<Reassembly.Message>(initialCapacity: 4)
    /// What they hold, overhead included.
    private(set) var held = 0
    /// Messages that have become ready, and those taken, since the beginning.
    private(set) var readied = 0
    private(set) var taken = 0

    var isEmpty: Bool { self.queue.isEmpty }

    mutating func append(_ message: Reassembly.Message) {
        self.held += message.size
        self.readied += 1
        self.queue.append(message)
    }

    mutating func take() -> Reassembly.Message? {
        guard let message = self.queue.popFirst() else { return nil }
        self.held -= message.size
        self.taken += 1
        return message
    }
}

/// Brings the ordered messages of each stream into their order.
struct IncomingStreams {
    private struct Stream {
        /// The number of the next message to be delivered.
        var expected: UInt32
        var waiting: [UInt32: Reassembly.Message] = [:]
        /// The highest number of an unordered message that was given up; with interleaving only.
        var unorderedGivenUp: UInt32?
    }

    private var streams: ContiguousArray<Stream> = []
    private var indices: [UInt16: Int] = [:]
    /// The stream that was last looked up.
    private var recent: (id: UInt16, index: Int)?
    private let isInterleaving: Bool
    /// Where numbers begin.
    private let firstNumber: UInt32
    /// What waiting messages hold, overhead included.
    private(set) var held = 0

    init(isInterleaving: Bool, firstNumber: UInt32) {
        self.isInterleaving = isInterleaving
        self.firstNumber = firstNumber
    }

    /// Takes a whole message. All that can be delivered then goes to `ready`.
    mutating func insert(_ message: Reassembly.Message, into ready: inout ReadyMessages) {
        guard !message.isUnordered else { return ready.append(message) }
        let index = self.index(of: message.stream)
        let expected = self.streams[index].expected
        guard message.number != expected else {
            ready.append(message)
            self.streams[index].expected = self.number(expected &+ 1)
            return self.release(index, into: &ready)
        }
        // Behind what has been delivered there is nothing to wait for. Numbers of 16 bits are never behind: all of them may
        // be outstanding.
        if self.isInterleaving, message.number &- expected >= 1 << 31 { return }
        let old = self.streams[index].waiting.updateValue(message, forKey: message.number)
        self.held += message.size - (old?.size ?? 0)
    }

    /// Whether a fragment is of a message that the other side has given up: with interleaving it may still come, and nothing
    /// would ever complete it.
    mutating func isGivenUp(_ header: DataChunk.Header) -> Bool {
        guard self.isInterleaving else { return false }
        let stream = self.streams[self.index(of: header.stream)]
        guard header.isUnordered else { return header.number &- stream.expected >= 1 << 31 }
        return stream.unorderedGivenUp.map { Int32(bitPattern: header.number &- $0) <= 0 } ?? false
    }

    mutating func skipUnordered(_ stream: UInt16, to number: UInt32) {
        let index = self.index(of: stream)
        let last = self.streams[index].unorderedGivenUp
        if let last, Int32(bitPattern: number &- last) <= 0 { return }
        self.streams[index].unorderedGivenUp = number
    }

    /// The other side has given up the messages of a stream up to this number.
    mutating func skip(_ stream: UInt16, to number: UInt32, into ready: inout ReadyMessages) {
        let index = self.index(of: stream)
        let expected = self.streams[index].expected
        let distance = self.number(number &- expected)
        guard distance < (self.isInterleaving ? 1 << 31 : 1 << 15) else { return }
        let passed = self.streams[index].waiting.keys.map { self.number($0 &- expected) }.filter { $0 <= distance }
        for offset in passed.sorted() {
            guard let message = self.streams[index].waiting.removeValue(forKey: self.number(expected &+ offset)) else {
                continue
            }
            self.held -= message.size
            ready.append(message)
        }
        self.streams[index].expected = self.number(number &+ 1)
        self.release(index, into: &ready)
    }

    /// The other side begins these streams anew; all of them when there are none named.
    mutating func reset(_ streams: [UInt16]) {
        for stream in streams.isEmpty ? Array(self.indices.keys) : streams {
            let index = self.index(of: stream)
            for message in self.streams[index].waiting.values { self.held -= message.size }
            self.streams[index] = Stream(expected: 0)
        }
    }

    /// Drops all that waits.
    mutating func removeAll() {
        self = IncomingStreams(isInterleaving: self.isInterleaving, firstNumber: self.firstNumber)
    }

    private mutating func index(of stream: UInt16) -> Int {
        if let recent, recent.id == stream { return recent.index }
        let index = self.indices[stream] ?? self.streams.count
        if index == self.streams.count {
            self.streams.append(Stream(expected: self.firstNumber))
            self.indices[stream] = index
        }
        self.recent = (stream, index)
        return index
    }

    /// SSNs have 16 bits, MIDs 32.
    private func number(_ number: UInt32) -> UInt32 { self.isInterleaving ? number : number & 0xFFFF }

    private mutating func release(_ index: Int, into ready: inout ReadyMessages) {
        while !self.streams[index].waiting.isEmpty {
            let expected = self.streams[index].expected
            guard let message = self.streams[index].waiting.removeValue(forKey: expected) else { return }
            self.held -= message.size
            self.streams[index].expected = self.number(expected &+ 1)
            ready.append(message)
        }
    }
}
