import NIOCore

extension AsyncPeerConnection {
    /// What happens to a connection, as a sequence that ends when it is closed or failed.
    ///
    /// It holds little: while 16 channels of the peer's are not taken, nothing more is read from the connection, so that
    /// the peer cannot open ever more of them; of everything else the newest 1,024 events are kept. Several tasks may
    /// iterate; each event goes to one of them.
    public struct Events: AsyncSequence, Sendable {
        /// An event.
        public typealias Element = Event
        /// It does not fail.
        public typealias Failure = Never

        let queue: NIOLoopBound<EventQueue>
        let eventLoop: any EventLoop

        /// Takes events from the sequence.
        public struct AsyncIterator: AsyncIteratorProtocol {
            /// An event.
            public typealias Element = Event
            /// It does not fail.
            public typealias Failure = Never

            let queue: NIOLoopBound<EventQueue>
            let eventLoop: any EventLoop

            /// Waits for the next event. Nil when there will be none, or when the task is cancelled.
            public mutating func next() async -> Event? { await Self.next(self.queue, self.eventLoop) }

            /// Waits for the next event. Nil when there will be none, or when the task is cancelled.
            public mutating func next(isolation actor: isolated (any Actor)?) async -> Event? {
                await Self.next(self.queue, self.eventLoop)
            }

            private static func next(_ queue: NIOLoopBound<EventQueue>, _ eventLoop: any EventLoop) async -> Event? {
                let isCancelled = NIOLoopBoundBox.makeBoxSendingValue(false, eventLoop: eventLoop)
                return await withTaskCancellationHandler {
                    await withCheckedContinuation { continuation in
                        eventLoop.execute { queue.value.take(.init(isCancelled, continuation)) }
                    }
                } onCancel: {
                    eventLoop.execute {
                        isCancelled.value = true
                        queue.value.endCancelled()
                    }
                }
            }
        }

        /// Begins to take events.
        public func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(queue: self.queue, eventLoop: self.eventLoop)
        }
    }

    /// Events between the event loop, which it lives on, and those who iterate.
    final class EventQueue {
        struct Waiter {
            let isCancelled: NIOLoopBoundBox<Bool>
            let continuation: CheckedContinuation<Event?, Never>

            init(_ isCancelled: NIOLoopBoundBox<Bool>, _ continuation: CheckedContinuation<Event?, Never>) {
                self.isCancelled = isCancelled
                self.continuation = continuation
            }
        }

        /// Channels that nobody has taken before the connection is not read from any more.
        private static let maximumChannels = 16
        /// Other events that are kept.
        private static let maximumEvents = 1_024

        private let reader: AsyncDataChannelReader
        private var events = CircularBuffer<Event>()
        private var channelCount = 0
        private var waiters = CircularBuffer<Waiter>()
        private var isFinished = false

        init(_ reader: AsyncDataChannelReader) {
            self.reader = reader
        }

        func add(_ event: Event) {
            guard !self.isFinished else { return }
            if let waiter = self.waiters.popFirst() { return waiter.continuation.resume(returning: event) }
            self.events.append(event)
            if case .dataChannel = event {
                self.channelCount += 1
                if self.channelCount == Self.maximumChannels { self.reader.pause() }
            } else if self.events.count - self.channelCount > Self.maximumEvents {
                let oldest = self.events.firstIndex { if case .dataChannel = $0 { false } else { true } }
                if let oldest { self.events.remove(at: oldest) }
            }
        }

        func finish() {
            self.isFinished = true
            self.reader.end()
            let waiters = self.waiters
            self.waiters = []
            for waiter in waiters { waiter.continuation.resume(returning: nil) }
        }

        func take(_ waiter: Waiter) {
            // The task may have been cancelled before it came here.
            guard !waiter.isCancelled.value else { return waiter.continuation.resume(returning: nil) }
            guard let event = self.events.popFirst() else {
                guard !self.isFinished else { return waiter.continuation.resume(returning: nil) }
                return self.waiters.append(waiter)
            }
            if case .dataChannel = event {
                self.channelCount -= 1
                if self.channelCount == Self.maximumChannels - 1 { self.reader.resume() }
            }
            waiter.continuation.resume(returning: event)
        }

        func endCancelled() {
            let cancelled = self.waiters.filter { $0.isCancelled.value }
            self.waiters.removeAll { $0.isCancelled.value }
            for waiter in cancelled { waiter.continuation.resume(returning: nil) }
        }
    }
}
