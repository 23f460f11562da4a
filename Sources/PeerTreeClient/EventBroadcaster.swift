import NIOConcurrencyHelpers

/// Hands events to every subscriber, in order.
final class EventBroadcaster: Sendable {
    private struct State {
        var handlers: [@Sendable (PeerTreeEvent) -> Void] = []
        var streams: [Int: AsyncStream<PeerTreeEvent>.Continuation] = [:]
        var nextStream = 0
        var isFinished = false
    }

    private let state = NIOLockedValueBox(State())

    func subscribe(_ handler: @escaping @Sendable (PeerTreeEvent) -> Void) {
        state.withLockedValue { $0.handlers.append(handler) }
    }

    /// A new stream of what happens from now on. The newest 1,024 unread events are kept.
    func stream() -> AsyncStream<PeerTreeEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: PeerTreeEvent.self,
            bufferingPolicy: .bufferingNewest(1024)
        )
        let number = state.withLockedValue { state -> Int? in
            guard !state.isFinished else { return nil }
            state.nextStream += 1
            state.streams[state.nextStream] = continuation
            return state.nextStream
        }
        guard let number else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLockedValue { $0.streams[number] = nil }
        }
        return stream
    }

    func publish(_ event: PeerTreeEvent) {
        let (handlers, streams) = state.withLockedValue { ($0.handlers, Array($0.streams.values)) }
        for handler in handlers { handler(event) }
        for stream in streams { stream.yield(event) }
    }

    func finish() {
        let streams = state.withLockedValue { state in
            state.isFinished = true
            state.handlers.removeAll()
            defer { state.streams.removeAll() }
            return Array(state.streams.values)
        }
        for stream in streams { stream.finish() }
    }
}
