import NIOCore

/// The streams of this side, what waits on them, and whose turn it is: fair queueing weighted by priority (RFC 8831 section
/// 6.4, RFC 8260 section 3.6).
///
/// Every stream that has something to send is in a heap by the virtual time at which what it has sent so far would be
/// through, had all streams been sending at once (start-time fair queueing). A stream that was silent enters at the present,
/// so that its message overtakes all that waits on busy ones; the heavier its weight, the sooner its next.
struct OutgoingStreams {
    struct Stream {
        var id: UInt16
        var weight = Self.defaultWeight
        /// Messages whose last byte has not been sent, oldest first.
        var messages = CircularBuffer<Int>(initialCapacity: 1)
        /// The next numbers (SSN, or MID of RFC 8260).
        var nextOrdered: UInt32
        var nextUnordered: UInt32
        /// Bytes not sent for the first time.
        var buffered = 0
        /// Bytes sent or dropped that have not been reported.
        var unreported = 0
        /// The last TSN that a piece of a message of its has.
        var lastTSN = 0
        var finish = 0
        var isScheduled = false
        var isResetting = false
        /// Messages that were handed over while the stream is being reset: the first of what it is after that.
        var afterReset: [Int] = []
        /// Another reset was asked for meanwhile, behind them.
        var isResetAgain = false

        static let defaultWeight = 256
    }

    private(set) var streams: ContiguousArray<Stream> = []
    private var indices: [UInt16: Int] = [:]
    /// The last that was looked up.
    private var recent: Int?
    /// A heap of streams, the smallest `finish` on top.
    private var heap: [Int] = []
    private var virtualTime = 0
    /// The stream whose message has begun and, without interleaving, must be ended first.
    private var current: Int?
    /// Streams with something unreported.
    private var reported: [Int] = []
    /// Bytes that wait on all streams.
    private(set) var buffered = 0
    private let firstNumber: UInt32
    var isInterleaving = false

    init(firstNumber: UInt32) {
        self.firstNumber = firstNumber
    }

    /// Messages that wait, on all streams; those that wait for a reset excepted.
    private(set) var waiting = 0

    /// Whether nothing waits.
    var isEmpty: Bool { self.waiting == 0 }

    subscript(_ index: Int) -> Stream {
        _read { yield self.streams[index] }
        _modify { yield &self.streams[index] }
    }

    func existing(_ id: UInt16) -> Int? {
        if let recent, self.streams[recent].id == id { return recent }
        return self.indices[id]
    }

    mutating func index(of id: UInt16) -> Int {
        if let index = self.existing(id) {
            self.recent = index
            return index
        }
        let index = self.streams.count
        self.streams.append(Stream(id: id, nextOrdered: self.firstNumber, nextUnordered: self.firstNumber))
        self.indices[id] = index
        self.recent = index
        return index
    }

    mutating func append(_ message: Int, bytes: Int, to index: Int) {
        self.streams[index].buffered += bytes
        self.buffered += bytes
        guard !self.streams[index].isResetting else { return self.streams[index].afterReset.append(message) }
        self.streams[index].messages.append(message)
        self.waiting += 1
        self.schedule(index)
    }

    /// The stream whose turn it is.
    mutating func next() -> Int? {
        if let current { return current }
        while let index = self.pop() {
            // What a stream had may have been dropped in the meantime.
            guard !self.streams[index].messages.isEmpty else { continue }
            self.current = index
            return index
        }
        return nil
    }

    /// A piece of the current stream's first message was sent, of which so much counts as buffered; `isLast` when it was all
    /// of the rest.
    mutating func didSend(_ bytes: Int, counted: Int, of index: Int, isLast: Bool) {
        self.virtualTime = max(self.virtualTime, self.streams[index].finish)
        self.streams[index].finish = max(self.streams[index].finish, self.virtualTime) + self.cost(bytes, of: index)
        self.account(counted, of: index)
        if isLast {
            _ = self.streams[index].messages.popFirst()
            self.waiting -= 1
        }
        if isLast || self.isInterleaving { self.yield(index) }
    }

    /// A message leaves its queue unsent, or in part; so many bytes of it count as buffered.
    mutating func drop(_ message: Int, bytes: Int, of index: Int) {
        self.account(bytes, of: index)
        if let position = self.streams[index].afterReset.firstIndex(of: message) {
            self.streams[index].afterReset.remove(at: position)
            return
        }
        self.waiting -= 1
        guard self.streams[index].messages.first == message else {
            return self.streams[index].messages.removeAll { $0 == message }
        }
        self.streams[index].messages.removeFirst()
        if self.current == index { self.yield(index) }
    }

    /// The next report of what has been sent or dropped.
    mutating func nextReport() -> (stream: UInt16, bytes: Int)? {
        guard let index = self.reported.popLast() else { return nil }
        defer { self.streams[index].unreported = 0 }
        return (self.streams[index].id, self.streams[index].unreported)
    }

    /// What comes from now on waits until the stream has been reset. False when that is under way already.
    mutating func beginReset(_ index: Int) -> Bool {
        guard self.streams[index].isResetting else {
            self.streams[index].isResetting = true
            return true
        }
        self.streams[index].isResetAgain = !self.streams[index].afterReset.isEmpty
        return false
    }

    /// A reset is over; if it was performed, the stream begins anew. What waited for that is sent.
    ///
    /// - Returns: whether another one was asked for meanwhile.
    mutating func endReset(_ index: Int, isPerformed: Bool) -> Bool {
        if isPerformed {
            self.streams[index].nextOrdered = 0
            self.streams[index].nextUnordered = 0
        }
        let messages = self.streams[index].afterReset
        self.streams[index].afterReset = []
        self.streams[index].messages.append(contentsOf: messages)
        self.waiting += messages.count
        self.schedule(index)
        defer { self.streams[index].isResetAgain = false }
        self.streams[index].isResetting = self.streams[index].isResetAgain
        return self.streams[index].isResetAgain
    }

    private mutating func account(_ bytes: Int, of index: Int) {
        guard bytes > 0 else { return }
        if self.streams[index].unreported == 0 { self.reported.append(index) }
        self.streams[index].unreported += bytes
        self.streams[index].buffered -= bytes
        self.buffered -= bytes
    }

    private func cost(_ bytes: Int, of index: Int) -> Int { bytes << 10 / max(1, self.streams[index].weight) }

    private mutating func yield(_ index: Int) {
        self.current = nil
        self.schedule(index)
    }

    private mutating func schedule(_ index: Int) {
        guard !self.streams[index].isScheduled, self.current != index, !self.streams[index].messages.isEmpty else {
            return
        }
        self.streams[index].isScheduled = true
        self.streams[index].finish = max(self.streams[index].finish, self.virtualTime)
        self.heap.append(index)
        var child = self.heap.count - 1
        while child > 0, self.precedes(child, (child - 1) / 2) {
            self.heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func pop() -> Int? {
        guard let first = self.heap.first else { return nil }
        let last = self.heap.removeLast()
        if !self.heap.isEmpty {
            self.heap[0] = last
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2]
                where child < self.heap.count && self.precedes(child, least) {
                    least = child
                }
                guard least != parent else { break }
                self.heap.swapAt(parent, least)
                parent = least
            }
        }
        self.streams[first].isScheduled = false
        return first
    }

    /// Sooner through goes first; among equals the heavier, then the lower number, so that nothing is left to chance.
    private func precedes(_ left: Int, _ right: Int) -> Bool {
        let (a, b) = (self.streams[self.heap[left]], self.streams[self.heap[right]])
        return (a.finish, -a.weight, a.id) < (b.finish, -b.weight, b.id)
    }
}
