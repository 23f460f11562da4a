import NIOCore
import NodeLinks

/// A node, on the loop of its links.
actor BenchNode {
    private nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    private enum Task {
        case none
        /// Sends everything back.
        case echo
        /// Sends when the last one is back.
        case ping(left: Int, sentAt: NIODeadline)
        /// Sends as long as the link takes it.
        case stream(left: Int)
        /// Only counts.
        case count(left: Int)
    }

    private nonisolated let name: NodeName
    private var links: NodeLinks?
    private var other: NodeName?
    private var payload = ByteBuffer()
    private var task = Task.none
    private var isWritable = true
    private var hasSession = false
    private var roundTrips: [Int64] = []
    private var done: CheckedContinuation<Void, Never>?
    private var started: CheckedContinuation<Void, Never>?

    init(_ name: String, on eventLoop: any EventLoop) throws {
        guard let name = NodeName(name) else { preconditionFailure("no name") }
        self.name = name
        self.eventLoop = eventLoop
        links = nil
    }

    private func make() throws -> NodeLinks {
        if let links { return links }
        let secrets = try LinkSecrets([Array("a secret of the benchmark".utf8)])
        let made = try NodeLinks(name: name, secrets: secrets, on: eventLoop) { [weak self] _, event in
            guard let self else { return }
            self.assumeIsolated { $0.hear(event) }
        }
        links = made
        return made
    }

    private func listen() async throws -> LinkAddress {
        let address = try await make().listen(host: "127.0.0.1", port: 0)
        return LinkAddress(host: "127.0.0.1", port: address.port ?? 0)
    }

    func link(_ node: BenchNode) async throws {
        other = node.name
        let address = try await node.listen()
        try await make().add(node.name, at: address)
    }

    func close() async { await links?.close() }

    func pingPong(_ payload: ByteBuffer, count: Int, with node: BenchNode) async throws -> [Int64] {
        await node.begin(.echo, payload)
        roundTrips = []
        await run(.ping(left: count, sentAt: .now()), payload)
        return roundTrips
    }

    func stream(_ payload: ByteBuffer, count: Int, to node: BenchNode) async throws {
        await node.begin(.count(left: count), payload)
        begin(.stream(left: count), payload)
        sendMore()
        await node.finish()
    }

    private func begin(_ task: Task, _ payload: ByteBuffer) {
        self.task = task
        self.payload = payload
    }

    private func run(_ task: Task, _ payload: ByteBuffer) async {
        begin(task, payload)
        await withCheckedContinuation { continuation in
            done = continuation
            send()
        }
    }

    private func finish() async {
        guard case .count(let left) = task, left > 0 else { return }
        await withCheckedContinuation { done = $0 }
    }

    private func send() {
        guard let links, let other else { return }
        _ = links.assumeIsolated { [payload] links in try? links.send(payload, to: other) }
    }

    private func sendMore() {
        while isWritable, case .stream(let left) = task, left > 0 {
            task = .stream(left: left - 1)
            send()
        }
    }

    private func hear(_ event: LinkEvent) {
        switch event {
        case .received: receive()
        case .isWritable(let isWritable):
            self.isWritable = isWritable
            if isWritable { eventLoop.execute { self.assumeIsolated { $0.sendMore() } } }
        case .sessionStarted:
            hasSession = true
            started?.resume()
            started = nil
        default: break
        }
    }

    private func receive() {
        switch task {
        case .none, .stream: break
        case .echo: send()
        case .ping(let left, let sentAt):
            roundTrips.append((NIODeadline.now() - sentAt).nanoseconds)
            task = .ping(left: left - 1, sentAt: .now())
            if left > 1 { send() } else { end() }
        case .count(let left):
            task = .count(left: left - 1)
            if left == 1 { end() }
        }
    }

    private func end() {
        done?.resume()
        done = nil
    }

    func waitForSession() async {
        guard !hasSession else { return }
        await withCheckedContinuation { started = $0 }
    }
}
