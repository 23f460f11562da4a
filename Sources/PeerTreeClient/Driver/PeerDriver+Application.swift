import NIOCore
import PeerTreeCore

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
            onLoop { $0.feed(.cancelEntering) }
        }
    }

    func write(_ message: ByteBuffer, _ options: MessageOptions) async throws {
        do {
            try client.configuration.checkMessage(bytes: message.readableBytes)
        } catch .messageTooLarge(let bytes, let limit) {
            throw PeerTreeError.messageTooLarge(bytes: bytes, limit: limit)
        }
        while try checkWritable() == .blocked { try await wait(for: .writable) }
        feed(.publish(message, options))
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

    func complete() async {
        if isClosed || client.end == .sourceLost || (isComplete && client.peer?.isSubtreeComplete == true) { return }
        try? await wait(for: .complete)
    }

    private func wait(for event: Waiters.Event) async throws {
        let number = waiters.number()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiters.add(event, number, continuation)
                if Task.isCancelled { waiters.cancel(number) }
            }
        } onCancel: {
            onLoop { $0.waiters.cancel(number) }
        }
    }

    /// Whether the client has left, or is about to.
    var isClosed: Bool { client.membership.isLeaving }

    var statistics: PeerTreeStatistics { PeerTreeStatistics(client) }

    var end: StreamEnd? { client.end }

    /// Asks for new paths for all links.
    func restartICE() {
        feed(.restartPaths)
    }

    /// Leaves the tree: the server finds new parents for the children while this peer goes on feeding them.
    func close() async {
        if !client.membership.hasLeft {
            // Who is cancelled leaves in order, too.
            try? await withCheckedThrowingContinuation { continuation in
                waiters.add(.left, waiters.number(), continuation)
                feed(.leave)
            }
        }
        shutDown()
    }
}
