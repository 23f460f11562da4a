/// What is known of a peer regardless of stripes.
struct PeerRecord {
    private(set) var generation: UInt32 = 0
    /// The next peer of its tree, in the order in which they came; of a record that is not occupied, the next such record.
    var next = SpanningTree.none
    /// The one before.
    var previous = SpanningTree.none
    var resumeTimer = TimerQueue.none
    private var flags: Flags = []
    /// Since when it is in the tree.
    private(set) var joinedAt = Instant.zero
    private var address: UInt64 = 0

    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let occupied = Flags(rawValue: 1 << 0)
        static let native = Flags(rawValue: 1 << 1)
        static let suspect = Flags(rawValue: 1 << 2)
        static let evicted = Flags(rawValue: 1 << 3)
        static let addressed = Flags(rawValue: 1 << 4)
    }

    var isOccupied: Bool { flags.contains(.occupied) }

    /// It speaks our protocol.
    var isNative: Bool {
        get { flags.contains(.native) }
        set { set(.native, newValue) }
    }

    /// Its signalling socket is gone and may come back, or cannot be reached.
    var isSuspect: Bool {
        get { flags.contains(.suspect) }
        set { set(.suspect, newValue) }
    }

    /// Its signalling socket is certainly gone: somebody waits for it to come back.
    var hasLostSignalling: Bool { isSuspect && resumeTimer != TimerQueue.none }

    /// It did not forward, and offers nothing for now.
    var isEvicted: Bool {
        get { flags.contains(.evicted) }
        set { set(.evicted, newValue) }
    }

    /// Stands for the network address that it joined from; nil if that is unknown.
    var origin: UInt64? { flags.contains(.addressed) ? address : nil }

    mutating func occupy(isNative: Bool, origin: UInt64?, at now: Instant) {
        flags = .occupied
        set(.native, isNative)
        set(.addressed, origin != nil)
        address = origin ?? 0
        joinedAt = now
    }

    mutating func vacate(next: Int32) {
        flags.remove(.occupied)
        generation &+= 1
        self.next = next
    }

    private mutating func set(_ flag: Flags, _ isSet: Bool) {
        if isSet { flags.insert(flag) } else { flags.remove(flag) }
    }
}
