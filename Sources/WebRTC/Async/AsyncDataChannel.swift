public import NIOCore

/// A data channel for async code, from anywhere.
public struct AsyncDataChannel: Sendable {
    /// One message.
    public struct Message: Sendable {
        /// What was sent.
        public var payload: ByteBuffer
        /// What it was sent as.
        public var kind: DataChannelMessageKind

        /// The payload as UTF-8 text; what is not valid UTF-8 is replaced.
        public var text: String { String(buffer: self.payload) }
    }

    /// The name its creator gave it.
    public let label: String
    /// How the channel behaves.
    public let configuration: DataChannelConfiguration
    /// What the peer sends.
    public let messages: Messages
    private let channel: NIOLoopBound<DataChannel>
    private let waiters: NIOLoopBound<Waiters>
    private let eventLoop: any EventLoop

    /// `send` waits while more bytes than this are buffered.
    private static let highWatermark = 1024 * 1024

    /// Those who wait for the buffer to fall, or the channel to open.
    private final class Waiters {
        private var promises: [Int: EventLoopPromise<Void>] = [:]
        private var last = 0
        var failure: DataChannelError?

        func add(_ promise: EventLoopPromise<Void>) -> Int {
            self.last += 1
            self.promises[self.last] = promise
            return self.last
        }

        func cancel(_ number: Int) {
            self.promises.removeValue(forKey: number)?.fail(DataChannelError.cancelled)
        }

        func release() {
            let promises = self.promises.sorted { $0.key < $1.key }
            self.promises = [:]
            for (_, promise) in promises { promise.succeed(()) }
        }
    }

    /// Takes a channel over: its closures are replaced.
    init(adopting channel: DataChannel, of connection: PeerConnection, eventLoop: any EventLoop) {
        let waiters = Waiters()
        let share = ReadingBudget.Share(of: connection.readingBudget)
        let reader = AsyncDataChannelReader(connection: connection, share: share, eventLoop: eventLoop)
        let sequence = Messages.Base.makeSequence(
            elementType: Message.self,
            failureType: (any Error).self,
            backPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark(
                lowWatermark: 16,
                highWatermark: 64
            ),
            finishOnDeinit: true,
            delegate: reader
        )
        // The closures must not hold the sequence: that nobody holds it any more is how it learns that nobody reads.
        let source = sequence.source
        // The connection may have been lost while the channel was being accepted: then nothing calls any more.
        if channel.readyState == .closed {
            reader.end()
            source.finish()
        }
        channel.bufferedAmountLowThreshold = Self.highWatermark / 4
        channel.onOpen = { waiters.release() }
        channel.onBufferedAmountLow = { waiters.release() }
        channel.onMessage = { payload, kind in
            let message = Message(payload: payload, kind: kind)
            // Before it can be taken, which is on another thread.
            share.add(message)
            switch source.yield(message) {
            case .produceMore: break
            case .stopProducing: reader.pause()
            case .dropped: share.remove(message)
            }
        }
        channel.onError = { waiters.failure = $0 }
        channel.onClose = {
            reader.end()
            waiters.release()
            if let failure = waiters.failure {
                source.finish(failure)
            } else {
                source.finish()
            }
        }
        self.label = channel.label
        self.configuration = channel.configuration
        self.messages = Messages(base: sequence.sequence, share: share)
        self.eventLoop = eventLoop
        self.channel = NIOLoopBound(channel, eventLoop: eventLoop)
        self.waiters = NIOLoopBound(waiters, eventLoop: eventLoop)
    }

    /// The state of the channel just now.
    public var readyState: DataChannelState {
        get async { await self.eventLoop.value { self.channel.value.readyState } }
    }

    /// The SCTP stream, once known.
    public var id: UInt16? {
        get async { await self.eventLoop.value { self.channel.value.id } }
    }

    /// Bytes given to `send` that have not been put on the wire.
    public var bufferedAmount: Int {
        get async { await self.eventLoop.value { self.channel.value.bufferedAmount } }
    }

    /// What went over the channel so far.
    public func getStats() async -> StatsReport.DataChannel {
        await self.eventLoop.value { self.channel.value.getStats() }
    }

    /// Sends one message; waits while the channel is not open yet or more than 1 MiB is buffered.
    ///
    /// - Throws: what `DataChannel.send` throws; `.connectionLost` instead of `.closed` when that is why;
    ///   `.cancelled` when the task is cancelled while it waits, and then nothing was sent.
    public func send(
        _ message: ByteBuffer,
        as kind: DataChannelMessageKind = .binary
    ) async throws(DataChannelError) {
        while let (number, room) = try await self.trySend(message, as: kind) {
            if Task.isCancelled { self.cancel(number) }
            do {
                try await withTaskCancellationHandler {
                    try await room.get()
                } onCancel: {
                    self.cancel(number)
                }
            } catch {
                throw .cancelled
            }
        }
    }

    /// Sends one text message, as `send(_:as:)` does.
    ///
    /// - Throws: `DataChannelError`.
    public func send(_ text: String) async throws(DataChannelError) {
        try await self.send(ByteBuffer(string: text), as: .text)
    }

    /// Closes the channel once everything queued has been sent. Does not wait for it: `messages` ends when both sides
    /// have closed.
    public func close() {
        self.eventLoop.execute { self.channel.value.close() }
    }

    /// Nil when the message was taken; else what to wait for.
    private func trySend(
        _ message: ByteBuffer,
        as kind: DataChannelMessageKind
    ) async throws(DataChannelError) -> (number: Int, room: EventLoopFuture<Void>)? {
        let result = await self.eventLoop.value {
            () -> Result<(number: Int, room: EventLoopFuture<Void>)?, DataChannelError> in
            let channel = self.channel.value
            let isFull = channel.readyState == .open && channel.bufferedAmount > Self.highWatermark
            guard channel.readyState != .connecting, !isFull else {
                let promise = self.eventLoop.makePromise(of: Void.self)
                return .success((self.waiters.value.add(promise), promise.futureResult))
            }
            do throws(DataChannelError) {
                try channel.send(message, as: kind)
                return .success(nil)
            } catch {
                let isLost = error == .closed && channel.readyState == .closed
                return .failure(isLost ? self.waiters.value.failure ?? error : error)
            }
        }
        return try result.get()
    }

    private func cancel(_ number: Int) {
        self.eventLoop.execute { self.waiters.value.cancel(number) }
    }
}

/// Stops and resumes the reading of a connection as a message sequence is read.
struct AsyncDataChannelReader: NIOAsyncSequenceProducerDelegate {
    private let state: NIOLoopBound<State>
    /// What the sequence holds; nil for one that holds no messages.
    private let share: ReadingBudget.Share?
    private let eventLoop: any EventLoop

    private final class State {
        /// Nil once the channel is closed: messages that nobody reads must not keep the connection.
        var connection: PeerConnection?
        var isPaused = false

        init(_ connection: PeerConnection) { self.connection = connection }

        func set(paused: Bool) {
            guard paused != self.isPaused else { return }
            self.isPaused = paused
            self.connection?.readingPauses += paused ? 1 : -1
            if !paused { self.connection?.resumeReading() }
        }
    }

    init(connection: PeerConnection, share: ReadingBudget.Share? = nil, eventLoop: any EventLoop) {
        self.share = share
        self.state = NIOLoopBound(State(connection), eventLoop: eventLoop)
        self.eventLoop = eventLoop
    }

    func pause() { self.state.value.set(paused: true) }
    func resume() { self.state.value.set(paused: false) }

    /// The channel is closed. What is still unread needs no reading from the connection.
    func end() {
        self.state.value.set(paused: false)
        self.state.value.connection = nil
    }

    /// The reader has caught up.
    func produceMore() {
        let state = self.state
        self.eventLoop.execute { state.value.set(paused: false) }
    }

    /// Nobody reads any more: what still comes is dropped.
    func didTerminate() {
        self.share?.removeAll()
        self.produceMore()
    }
}
