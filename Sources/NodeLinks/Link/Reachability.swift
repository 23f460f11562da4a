import NIOCore

/// Whether anything was heard of a node lately.
struct Reachability {
    private(set) var heardAt: NIODeadline
    private(set) var isReachable = false
    /// Whether the user was told so; of a node that was just added nothing is said yet.
    private var isTold = false
    /// What is not read is not heard: silence does not count.
    private(set) var isDeaf = false

    init(at now: NIODeadline) { heardAt = now }

    /// When the node is to be reported unreachable.
    func deadline(_ options: LinkOptions) -> NIODeadline? {
        isDeaf || (isTold && !isReachable) ? nil : heardAt + options.unreachableAfter
    }

    /// - Returns: whether that is news.
    mutating func hear(at now: NIODeadline) -> Bool {
        heardAt = max(heardAt, now)
        guard !isReachable else { return false }
        (isReachable, isTold) = (true, true)
        return true
    }

    /// - Returns: whether the node is thereby unreachable, which is news.
    mutating func checkSilence(at now: NIODeadline, _ options: LinkOptions) -> Bool {
        guard let deadline = deadline(options), now >= deadline else { return false }
        (isReachable, isTold) = (false, true)
        return true
    }

    mutating func setDeaf(_ isDeaf: Bool, at now: NIODeadline) {
        if self.isDeaf, !isDeaf { heardAt = max(heardAt, now) }
        self.isDeaf = isDeaf
    }
}
