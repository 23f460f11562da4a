import NIOCore
import PeerTreeCore
import SocketIO

// What the application asks for.

extension PeerDriver {
    /// Asks the server for a new tree, or for a place in one.
    ///
    /// - Parameter tree: the tree to join; nil to create one.
    /// - Returns: the id of the tree.
    func enter(_ tree: String?) async throws -> String {
        if isClosed { throw PeerTreeError.closed }
        if let treeID = client.membership.treeID { throw PeerTreeError.alreadyInTree(treeID.string) }
        if waiters.isEntering { throw PeerTreeError.alreadyInTree(requestedTree ?? "") }
        requestedTree = tree
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiters.enter(continuation)
                feed(.enter(tree.map { Text($0) }))
            }
        } onCancel: {
            eventLoop.execute { self.assumeIsolated { $0.feed(.cancelEntering) } }
        }
    }

    func write(_ message: ByteBuffer, _ options: MessageOptions) async throws {
        let overhead = sealer == nil ? 0 : MessageCipher.overhead
        do {
            try client.configuration.peer.checkMessage(bytes: message.readableBytes + overhead)
        } catch .messageTooLarge(let bytes, let limit) {
            throw PeerTreeError.messageTooLarge(bytes: bytes - overhead, limit: limit - overhead)
        }
        while try checkWritable() == .blocked { try await waitUntilWritable() }
        try publish(message, options)
    }

    /// Nothing comes between the number that a message is sealed for and its publication.
    private func publish(_ message: ByteBuffer, _ options: MessageOptions) throws {
        guard sealer != nil, let sequence = client.peer?.nextSequence else { return feed(.publish(message, options)) }
        var options = options
        guard let sealed = try sealer?.seal(message, &options, sequence: sequence) else { return }
        feed(.publish(sealed, options))
    }

    func finish() throws {
        _ = try checkWritable()
        feed(.finish)
    }

    private func checkWritable() throws -> Writability {
        if isClosed { throw PeerTreeError.closed }
        switch client.writability {
        case .notInTree: throw PeerTreeError.notInTree
        case .notSource: throw PeerTreeError.notSource
        case .ended: throw client.end == .sourceLost ? PeerTreeError.sourceLost : PeerTreeError.finished
        case .writable: return .writable
        case .blocked: return .blocked
        }
    }

    private func waitUntilWritable() async throws {
        let number = waiters.number()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                } else {
                    waiters.write(number, continuation)
                }
            }
        } onCancel: {
            cancel(number)
        }
    }

    func complete() async {
        if isClosed || client.end == .sourceLost || (isComplete && client.peer?.isSubtreeComplete == true) { return }
        let number = waiters.number()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { waiters.complete(number, continuation) }
            }
        } onCancel: {
            cancel(number)
        }
    }

    /// Runs on the loop after what began there, so it never comes before the waiter is there.
    private nonisolated func cancel(_ number: UInt64) {
        eventLoop.execute { self.assumeIsolated { $0.waiters.cancel(number) } }
    }

    /// Whether the client has left, or is about to.
    var isClosed: Bool { client.membership.isLeaving }

    var statistics: PeerTreeStatistics {
        let parent = client.peer?.neighbours.first { $0.role == .parent }
        return PeerTreeStatistics(
            counters: client.peer?.counters ?? PeerCounters(),
            children: client.peer?.childCount ?? 0,
            lagMilliseconds: client.lagMilliseconds,
            parentRoundTripMilliseconds: parent?.roundTripTime.map { Double($0.nanoseconds) / 1e6 },
            iceRestarts: Int(clamping: client.membership.restartCount)
        )
    }

    var end: StreamEnd? { client.end }

    /// Asks for new paths for all links.
    func restartICE() {
        feed(.restartPaths)
    }

    /// Leaves the tree: the server finds new parents for the children while this peer goes on feeding them.
    func close() async {
        if !client.membership.hasLeft {
            await withCheckedContinuation { continuation in
                waiters.leave(continuation)
                feed(.leave)
            }
        }
        shutDown()
    }
}
