import DequeModule
import NIOConcurrencyHelpers
public import PeerTreeCore

/// The messages of a stream, as they come. One reader.
///
/// A lossless stream flows no faster than it is read. The sequence ends when the stream does, and throws
/// ``PeerTreeError/sourceLost`` if that was before its end.
public struct PeerTreeMessages: AsyncSequence, Sendable {
    /// A message.
    public typealias Element = PeerTreeMessage

    let queue: MessageQueue

    /// Reads the messages.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let queue: MessageQueue

        /// The next message, or nil at the end of the stream.
        ///
        /// - Throws: ``PeerTreeError``.
        public mutating func next() async throws -> PeerTreeMessage? {
            try await queue.next()
        }
    }

    /// Makes the reader. Messages go to one reader only.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(queue: queue)
    }

    /// The messages in groups: all that wait, one at least. Cheaper than one by one where the stream is fast.
    ///
    /// - Parameter bytes: a group ends with the message that reaches so many bytes of payload. Default 1 MiB.
    public func batches(ofAtLeast bytes: Int = 1 << 20) -> PeerTreeMessageBatches {
        PeerTreeMessageBatches(queue: queue, bytes: bytes)
    }
}

/// The messages of a stream in groups of those that waited together. One reader; ends as ``PeerTreeMessages`` does.
public struct PeerTreeMessageBatches: AsyncSequence, Sendable {
    /// Consecutive messages, never none.
    public typealias Element = [PeerTreeMessage]

    let queue: MessageQueue
    let bytes: Int

    /// Reads the groups.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let queue: MessageQueue
        let bytes: Int

        /// The next messages, or nil at the end of the stream.
        ///
        /// - Throws: ``PeerTreeError``.
        public mutating func next() async throws -> [PeerTreeMessage]? {
            guard let first = try await queue.next() else { return nil }
            return queue.takeWaiting(after: first, bytes: bytes)
        }
    }

    /// Makes the reader. Messages go to one reader only.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(queue: queue, bytes: bytes)
    }
}

/// Hands messages from the event loop to one asynchronous reader and tells the loop what was taken.
final class MessageQueue: Sendable {
    fileprivate struct State {
        var messages: Deque<PeerTreeMessage> = []
        var byteCount = 0
        var waiter: CheckedContinuation<PeerTreeMessage?, any Error>?
        var end: Result<Void, PeerTreeError>?
        var isDropping = false
        /// The newest number taken that nobody has asked for yet.
        var taken: UInt64?
        var onTaken: @Sendable () -> Void = {}
    }

    private let state = NIOLockedValueBox(State())

    /// Calls this when the reader has taken something. However fast it is, the next call comes only after
    /// ``takeTaken()``.
    func onTaken(_ action: @escaping @Sendable () -> Void) {
        state.withLockedValue { $0.onTaken = action }
    }

    /// The number up to which the reader has taken the stream; nil if it took nothing since the last time.
    func takeTaken() -> UInt64? {
        state.withLockedValue { state in
            defer { state.taken = nil }
            return state.taken
        }
    }

    private func noteTaken(_ sequence: UInt64) {
        let action = state.withLockedValue { state in
            defer { state.taken = max(state.taken ?? 0, sequence) }
            return state.taken == nil ? state.onTaken : nil
        }
        action?()
    }

    /// Appends a message.
    ///
    /// - Parameters:
    ///   - limit: how many bytes may wait for the reader.
    ///   - policy: what happens above the limit: a live stream drops, any other ends.
    func append(_ message: PeerTreeMessage, limit: Int, policy: StreamPolicy) {
        let waiter = state.withLockedValue { state -> CheckedContinuation<PeerTreeMessage?, any Error>? in
            guard state.end == nil else { return nil }
            if let waiter = state.waiter {
                state.waiter = nil
                return waiter
            }
            guard state.admits(message, limit: limit, policy: policy) else { return nil }
            state.messages.append(message)
            state.byteCount += message.count
            return nil
        }
        guard let waiter else { return }
        noteTaken(message.lastSequence)
        waiter.resume(returning: message)
    }

    /// Ends the sequence once what waits has been read.
    func finish(_ end: Result<Void, PeerTreeError>) {
        let waiter = state.withLockedValue { state -> CheckedContinuation<PeerTreeMessage?, any Error>? in
            guard state.end == nil else { return nil }
            state.end = end
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(with: end.asNextMessage)
    }

    func next() async throws -> PeerTreeMessage? {
        if let message = state.withLockedValue({ $0.takeFirst() }) {
            noteTaken(message.lastSequence)
            return message
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                take(continuation)
            }
        } onCancel: {
            cancel()
        }
    }

    /// What waits behind a message that was taken, until the group has so many bytes.
    func takeWaiting(after first: PeerTreeMessage, bytes: Int) -> [PeerTreeMessage] {
        var batch = [first]
        var count = first.count
        state.withLockedValue { state in
            while count < bytes, let message = state.takeFirst() {
                batch.append(message)
                count += message.count
            }
        }
        if batch.count > 1 { noteTaken(batch[batch.count - 1].lastSequence) }
        return batch
    }

    private func take(_ continuation: CheckedContinuation<PeerTreeMessage?, any Error>) {
        enum Action {
            case message(PeerTreeMessage)
            case end(Result<Void, PeerTreeError>)
            case wait
        }
        let isCancelled = Task.isCancelled
        let action = state.withLockedValue { state -> Action in
            if let message = state.takeFirst() { return .message(message) }
            if let end = state.end { return .end(end) }
            if isCancelled || state.waiter != nil { return .end(.success(())) }
            state.waiter = continuation
            return .wait
        }
        switch action {
        case .message(let message):
            noteTaken(message.lastSequence)
            continuation.resume(returning: message)
        case .end(let end):
            continuation.resume(with: end.asNextMessage)
        case .wait:
            break
        }
    }

    private func cancel() {
        let waiter = state.withLockedValue { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
    }
}

extension Result where Success == Void, Failure == PeerTreeError {
    /// What a reader gets in place of a message.
    fileprivate var asNextMessage: Result<PeerTreeMessage?, any Error> {
        switch self {
        case .success: .success(nil)
        case .failure(let error): .failure(error)
        }
    }
}

extension MessageQueue.State {
    fileprivate mutating func takeFirst() -> PeerTreeMessage? {
        guard let message = messages.popFirst() else { return nil }
        byteCount -= message.count
        return message
    }

    /// Whether a message may wait, now that the reader is behind.
    fileprivate mutating func admits(_ message: PeerTreeMessage, limit: Int, policy: StreamPolicy) -> Bool {
        if isDropping, message.isJoinPoint, byteCount <= limit / 2 { isDropping = false }
        if byteCount + message.count <= limit, !isDropping { return true }
        switch policy {
        case .live: isDropping = true
        case .paced, .lossless: end = .failure(.readerTooSlow(limit: limit))
        }
        return false
    }
}
