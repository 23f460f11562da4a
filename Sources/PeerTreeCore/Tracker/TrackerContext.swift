/// What handling an input touches besides the tree it is about.
struct TrackerContext {
    let options: TrackerOptions
    /// The time of the input being handled; never runs backwards.
    var now = Instant.zero
    var timers = TimerQueue()
    var outputs = OutputQueue<TrackerOutput>()
    var statistics = TrackerStatistics()
    /// Trees that have ended but not yet been reported, first ended first.
    var endingTrees: [UInt32] = []

    init(options: TrackerOptions) {
        self.options = options
    }
}
