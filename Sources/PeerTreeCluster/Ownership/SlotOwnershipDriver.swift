import PeerTreeCore
package import PeerTreeSignalling

/// Runs a ``SlotOwnership`` against an etcd: owns its timer, its calls and its watch, and decides nothing.
package actor SlotOwnershipDriver {
    private let client: EtcdClient
    private var ownership: SlotOwnership
    private let report: @Sendable ([SlotOwnership.Output]) -> Void
    private var calls: [Int: Task<Void, Never>] = [:]
    private var watch: Task<Void, Never>?
    private var timer: Task<Void, Never>?
    private var isStopped = false

    /// - Parameters:
    ///   - options: Their clock is set by this driver.
    ///   - report: Told of all that is not for etcd, in its order.
    package init(
        _ node: NodeRecord,
        _ client: EtcdClient,
        options: OwnershipOptions,
        report: @escaping @Sendable ([SlotOwnership.Output]) -> Void
    ) {
        self.client = client
        self.report = report
        var options = options
        options.unixMillisecondsAtZero = BootTime.unixMillisecondsAtZero
        ownership = SlotOwnership(node, options: options, at: BootTime.now)
    }

    package func start() { feed(.deadlineReached) }

    /// Gives away what it owns, and then its place among the nodes.
    ///
    /// - Parameter limit: How long that may take: etcd may be away, or nobody else there.
    /// - Returns: whether nothing is left.
    package func leave(within limit: Duration) async -> Bool {
        feed(.leaving)
        let end = ContinuousClock.now + limit
        while !ownership.held.isEmpty, ContinuousClock.now < end, !isStopped {
            guard (try? await Task.sleep(for: .milliseconds(20))) != nil else { break }
        }
        guard ownership.held.isEmpty else { return false }
        let lease = ownership.leaseNumber
        stop()
        if let lease { _ = try? await client.ask(.revokeLease(lease)) }
        return true
    }

    /// Ends all calls, as the node's death would: its keys stay for as long as its lease. It cannot be started again.
    package func stop() {
        isStopped = true
        for task in calls.values { task.cancel() }
        watch?.cancel()
        timer?.cancel()
    }

    package var held: [Slot: SlotTerm] { ownership.held }

    /// Whether the slot is this node's, and certainly no other's.
    package func isConfirmed(_ slot: Slot) -> Bool { ownership.isConfirmed(slot, at: BootTime.now) }

    /// What others say, and whether they can be reached.
    package func feed(_ input: SlotOwnership.Input) {
        guard !isStopped else { return }
        ownership.handle(input, at: BootTime.now)
        var reports: [SlotOwnership.Output] = []
        while let output = ownership.nextOutput() {
            switch output {
            case .ask(let number, let request): calls[number] = Task { await self.ask(number, request) }
            case .watch(let number, let watch): begin(watch, number)
            default: reports.append(output)
            }
        }
        if !reports.isEmpty { report(reports) }
        setTimer()
    }

    private func ask(_ number: Int, _ request: EtcdRequest) async {
        let result: Result<EtcdAnswer, EtcdError>
        do throws(EtcdError) { result = .success(try await client.ask(request)) } catch { result = .failure(error) }
        calls[number] = nil
        feed(.answered(number, result))
    }

    private func begin(_ watch: EtcdWatch, _ number: Int) {
        self.watch?.cancel()
        self.watch = Task {
            try? await client.watch(watch) { message in await self.feed(.watched(number, message)) }
            self.feed(.watchEnded(number))
        }
    }

    private func setTimer() {
        timer?.cancel()
        let now = BootTime.now
        guard let deadline = ownership.deadline(at: now) else { return }
        let wait = Int64(clamping: (deadline - now).nanoseconds)
        timer = Task {
            guard (try? await Task.sleep(for: .nanoseconds(wait))) != nil else { return }
            self.feed(.deadlineReached)
        }
    }
}
