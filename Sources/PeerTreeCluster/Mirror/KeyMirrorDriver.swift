import PeerTreeCore

/// Keeps a ``KeyMirror`` true to an etcd: owns its timer, its lists and its watch, and decides nothing.
package actor KeyMirrorDriver {
    private let client: EtcdClient
    private var mirror: KeyMirror
    private let report: @Sendable (KeyMirror.Output) -> Void
    private var watch: Task<Void, Never>?
    private var list: Task<Void, Never>?
    private var timer: Task<Void, Never>?

    /// - Parameter report: Told of changes, in their order.
    package init(_ client: EtcdClient, prefix: [UInt8], report: @escaping @Sendable (KeyMirror.Output) -> Void) {
        self.client = client
        self.report = report
        mirror = KeyMirror(prefix: prefix, at: BootTime.now)
    }

    package func start() { feed(.deadlineReached) }

    /// Ends all calls. It cannot be started again.
    package func stop() {
        for task in [watch, list, timer] { task?.cancel() }
    }

    package var keys: [[UInt8]: EtcdKeyValue] { mirror.keys }

    private func feed(_ input: KeyMirror.Input) {
        guard !Task.isCancelled else { return }
        mirror.handle(input, at: BootTime.now)
        while let output = mirror.nextOutput() {
            switch output {
            case .list(let range): list = Task { await self.listed(range) }
            case .watch(let number, let watch): begin(watch, number)
            case .changed, .wentBack, .listed, .tooManyKeys: report(output)
            }
        }
        setTimer()
    }

    private func listed(_ range: EtcdRange) async {
        do throws(EtcdError) {
            guard case .range(let page) = try await client.ask(.range(range)) else { return }
            feed(.listed(.success(page)))
        } catch {
            feed(.listed(.failure(error)))
        }
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
        guard let deadline = mirror.deadline else { return }
        let wait = (deadline - BootTime.now).nanoseconds
        timer = Task {
            guard (try? await Task.sleep(for: .nanoseconds(Int64(clamping: wait)))) != nil else { return }
            self.feed(.deadlineReached)
        }
    }
}
