import NIOCore
import PeerTreeCore
import SocketIO

// What the application asks for.

extension PeerDriver {
    func write(_ message: ByteBuffer, _ options: MessageOptions) async throws {
        try checkWritable()
        while peer?.isWritable == false {
            try await waitUntilWritable()
            try checkWritable()
        }
        peer?.publish(message, options, timestamp: WallClock.microseconds, at: Self.now)
        drain()
    }

    private func waitUntilWritable() async throws {
        nextWaiter &+= 1
        let waiter = nextWaiter
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                } else {
                    writers[waiter] = continuation
                }
            }
        } onCancel: {
            // Runs on the loop after what began there, so it never comes before the waiter is there.
            eventLoop.execute {
                self.assumeIsolated { $0.writers.removeValue(forKey: waiter)?.resume(throwing: CancellationError()) }
            }
        }
    }

    func finish() throws {
        try checkWritable()
        peer?.finish(timestamp: WallClock.microseconds, at: Self.now)
        drain()
    }

    private func checkWritable() throws {
        if isClosed || isLeaving { throw PeerTreeError.closed }
        guard let peer else { throw PeerTreeError.notInTree }
        guard peer.isSource else { throw PeerTreeError.notSource }
        if peer.isEnded { throw PeerTreeError.finished }
    }

    func complete() async {
        if isComplete, peer?.isSubtreeComplete == true || end == .sourceLost { return }
        if isClosed { return }
        nextWaiter &+= 1
        let waiter = nextWaiter
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { completionWaiters[waiter] = continuation }
            }
        } onCancel: {
            // Runs on the loop after what began there, so it never comes before the waiter is there.
            eventLoop.execute {
                self.assumeIsolated { $0.completionWaiters.removeValue(forKey: waiter)?.resume() }
            }
        }
    }

    var statistics: PeerTreeStatistics {
        let parent = peer?.neighbours.first { $0.role == .parent }
        return PeerTreeStatistics(
            counters: peer?.counters ?? PeerCounters(),
            children: peer?.childCount ?? 0,
            lagMilliseconds: lagMilliseconds,
            parentRoundTripMilliseconds: parent?.roundTripTime.map { Double($0.nanoseconds) / 1e6 },
            iceRestarts: iceRestarts
        )
    }

    /// Leaves the tree: the server finds new parents for the children while this peer goes on feeding them.
    func close() async {
        guard !isClosed else { return }
        if let peer, !isLeaving, peer.childCount > 0 || !isSource {
            isLeaving = true
            emit("peer-tree[leave]", [:])
            // An original server learns of it by the socket's end alone; children that ask it earlier get no new place.
            if !isNativeServer { await socket.close() }
            await withCheckedContinuation { continuation in
                leavers.append(continuation)
                feed(.leave)
            }
            await delivered()
        } else if treeID != nil {
            emit("peer-tree[leave]", [:])
        }
        shutDown()
    }

    private func shutDown() {
        isClosed = true
        timer?.task.cancel()
        statusTask?.cancel()
        iceServersTask?.cancel()
        stopObservingNetwork?()
        stopObservingNetwork = nil
        failDiscovery(.closed)
        queue.finish(.failure(.closed))
        for session in sessions.values { drop(session) }
        for writer in writers.values { writer.resume(throwing: PeerTreeError.closed) }
        for waiter in completionWaiters.values { waiter.resume() }
        writers.removeAll()
        completionWaiters.removeAll()
        resumeLeavers()
    }
}
