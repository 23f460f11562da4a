/// What handling an input touches besides the tree it is about.
struct TrackerContext {
    let options: TrackerOptions
    /// The time of the input being handled; never runs backwards.
    var now = Instant.zero
    var timers = TimerQueue()
    var outputs = OutputQueue()
    var statistics = TrackerStatistics()
    /// Trees that have ended but not yet been reported, first ended first.
    var endingTrees: [UInt32] = []

    init(options: TrackerOptions) {
        self.options = options
    }
}

/// First in, first out. Gives back the memory of a burst once it is drained.
struct OutputQueue {
    private var storage: [TrackerOutput] = []
    private var head = 0

    private static let capacityKept = 1024

    mutating func append(_ output: TrackerOutput) {
        storage.append(output)
    }

    mutating func popFirst() -> TrackerOutput? {
        guard head < storage.count else { return nil }
        let output = storage[head]
        head += 1
        if head == storage.count {
            storage.removeAll(keepingCapacity: storage.capacity <= Self.capacityKept)
            head = 0
        }
        return output
    }
}
