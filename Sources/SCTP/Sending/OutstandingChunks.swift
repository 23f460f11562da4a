import NIOCore

/// A chunk that has a TSN.
struct OutstandingChunk {
    enum State: UInt8 {
        case inFlight
        /// To be sent again.
        case lost
        /// By a gap block: the other side may still change its mind.
        case acknowledged
        /// Given up: FORWARD-TSN will pass it.
        case abandoned
    }

    var state: State
    /// First, last, unordered: as on the wire.
    var flags: UInt8
    var length: UInt16
    var transmissions: UInt16 = 0
    /// The message, and where in it.
    var message: Int32
    var offset: Int32
    var fragment: UInt32
    /// When it was last sent, and as the how many-eth transmission of the association.
    var sentAt: NIODeadline
    var order = 0
    /// What was known then.
    var stamp: DeliveryStamp
}

/// All chunks from the first that is not acknowledged cumulatively to the last sent: a ring by TSN, and bitmaps beside it,
/// so that an acknowledgement costs what it brings and not what is outstanding.
struct OutstandingChunks {
    private var ring: ContiguousArray<OutstandingChunk> = []
    /// The first TSN not acknowledged cumulatively.
    private(set) var first: Int
    /// The next TSN.
    private(set) var next: Int
    /// TSNs that a gap block has named.
    var reported = RingBitmap()
    private var lost = RingBitmap()
    private(set) var lostCount = 0
    /// None before it is lost.
    private var lostFrom: Int
    /// Payload bytes of chunks that are in flight.
    private(set) var inFlight = 0
    /// Chunks acknowledged by gap blocks.
    private(set) var acknowledgedCount = 0

    private static let minimumCapacity = 8
    /// An empty ring that has been longer than this gives its memory back.
    private static let keptCapacity = 1_024

    init(initialTSN: UInt32) {
        self.first = SequenceNumber.initial(initialTSN)
        self.next = self.first
        self.lostFrom = self.first
    }

    var count: Int { self.next - self.first }
    var isEmpty: Bool { self.next == self.first }
    /// The last TSN that is acknowledged cumulatively.
    var cumulative: Int { self.first - 1 }

    subscript(_ tsn: Int) -> OutstandingChunk {
        get { self.ring[tsn & (self.ring.count - 1)] }
        set { self.ring[tsn & (self.ring.count - 1)] = newValue }
    }

    func isOutstanding(_ tsn: Int) -> Bool { tsn >= self.first && tsn < self.next }

    /// Gives a chunk the next TSN.
    mutating func append(_ chunk: OutstandingChunk) -> Int {
        let tsn = self.next
        if self.count == self.ring.count { self.grow(with: chunk) }
        self.reported.reserve(self.first...tsn)
        self.lost.reserve(self.first...tsn)
        self.next += 1
        self[tsn] = chunk
        if chunk.state == .inFlight { self.inFlight += Int(chunk.length) }
        return tsn
    }

    /// Changes a chunk's state, and all counts with it.
    mutating func set(_ state: OutstandingChunk.State, of tsn: Int) {
        let chunk = self[tsn]
        switch chunk.state {
        case .inFlight: self.inFlight -= Int(chunk.length)
        case .lost:
            self.lost.remove(tsn)
            self.lostCount -= 1
        case .acknowledged: self.acknowledgedCount -= 1
        case .abandoned: break
        }
        switch state {
        case .inFlight: self.inFlight += Int(chunk.length)
        case .lost:
            self.lost.insert(tsn)
            self.lostCount += 1
            self.lostFrom = min(self.lostFrom, tsn)
        case .acknowledged: self.acknowledgedCount += 1
        case .abandoned: break
        }
        self[tsn].state = state
    }

    /// Removes the first chunk, whatever its state.
    mutating func removeFirst() {
        self.set(.abandoned, of: self.first)
        self.reported.remove(self.first)
        self.first += 1
        self.lostFrom = max(self.lostFrom, self.first)
        if self.isEmpty, self.ring.count > Self.keptCapacity {
            self.ring = []
            self.reported.reset()
            self.lost.reset()
        }
    }

    /// The first chunk that is to be sent again.
    mutating func firstLost() -> Int? {
        guard self.lostCount > 0 else { return nil }
        let tsn = self.lost.firstMember(in: self.lostFrom..<self.next)
        if let tsn { self.lostFrom = tsn }
        return tsn
    }

    private mutating func grow(with filler: OutstandingChunk) {
        let capacity = max(Self.minimumCapacity, self.ring.count * 2)
        var grown = ContiguousArray(repeating: filler, count: capacity)
        for tsn in self.first..<self.next { grown[tsn & (capacity - 1)] = self[tsn] }
        self.ring = grown
    }
}
