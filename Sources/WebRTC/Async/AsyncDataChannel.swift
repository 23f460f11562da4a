public import NIOCore

/// A data channel for async code, from anywhere.
public struct AsyncDataChannel: Sendable {
    /// One message.
    public struct Message: Sendable {
        /// What was sent.
        public var payload: ByteBuffer
        /// What it was sent as.
        public var kind: DataChannelMessageKind
    }

    /// Messages until the channel closes. To be iterated once.
    ///
    /// A reader that falls 64 messages behind stops reading from the connection, all its channels included, until it
    /// has caught up: the peer's send buffer fills instead of this side's memory.
    public typealias Messages = NIOAsyncSequenceProducer<
        Message, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, AsyncDataChannelReader
    >

    /// The name its creator gave it.
    public let label: String
    /// What the peer sends.
    public let messages: Messages
    private let channel: NIOLoopBound<DataChannel>
    private let waiters: NIOLoopBound<Waiters>
    private let eventLoop: any EventLoop

    /// `send` waits while more bytes than this are buffered.
    private static let highWatermark = 1024 * 1024

    /// Those who wait for the buffer to fall, or the channel to open.
    private final class Waiters {
        var promises: [EventLoopPromise<Void>] = []

        func release(_ result: Result<Void, any Error> = .success(())) {
            let promises = self.promises
            self.promises = []
            for promise in promises { promise.completeWith(result) }
        }
    }

    /// Takes a channel over: its closures are replaced.
    init(adopting channel: DataChannel, of connection: PeerConnection, eventLoop: any EventLoop) {
        let waiters = Waiters()
        let reader = AsyncDataChannelReader(connection: connection, eventLoop: eventLoop)
        let sequence = NIOAsyncSequenceProducer.makeSequence(
            elementType: Message.self,
            backPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark(
                lowWatermark: 16,
                highWatermark: 64
            ),
            finishOnDeinit: true,
            delegate: reader
        )
        channel.bufferedAmountLowThreshold = Self.highWatermark / 4
        channel.onOpen = { waiters.release() }
        channel.onBufferedAmountLow = { waiters.release() }
        channel.onMessage = { payload, kind in
            if sequence.source.yield(Message(payload: payload, kind: kind)) == .stopProducing { reader.pause() }
        }
        channel.onClose = {
            waiters.release(.failure(DataChannelError.closed))
            sequence.source.finish()
        }
        self.label = channel.label
        self.messages = sequence.sequence
        self.eventLoop = eventLoop
        self.channel = NIOLoopBound(channel, eventLoop: eventLoop)
        self.waiters = NIOLoopBound(waiters, eventLoop: eventLoop)
    }

    /// Sends one message; waits while the channel is not open yet or more than 1 MiB is buffered.
    ///
    /// - Throws: `DataChannelError`.
    public func send(_ message: ByteBuffer, as kind: DataChannelMessageKind = .binary) async throws {
        while true {
            let wait = try await self.eventLoop.submit { () throws -> EventLoopFuture<Void>? in
                let channel = self.channel.value
                let isReady = channel.readyState == .open && channel.bufferedAmount <= Self.highWatermark
                if isReady || channel.readyState == .closing || channel.readyState == .closed {
                    try channel.send(message, as: kind)
                    return nil
                }
                let promise = self.eventLoop.makePromise(of: Void.self)
                self.waiters.value.promises.append(promise)
                return promise.futureResult
            }.get()
            guard let wait else { return }
            try await wait.get()
        }
    }

    /// Sends one text message, as `send(_:as:)` does.
    ///
    /// - Throws: `DataChannelError`.
    public func send(_ text: String) async throws {
        try await self.send(ByteBuffer(string: text), as: .text)
    }

    /// Closes the channel once everything queued has been sent. Does not wait for it.
    public func close() {
        self.eventLoop.execute { self.channel.value.close() }
    }
}

/// Stops and resumes the reading of a connection as a message sequence is read.
public struct AsyncDataChannelReader: NIOAsyncSequenceProducerDelegate {
    private let state: NIOLoopBound<State>
    private let eventLoop: any EventLoop

    private final class State {
        let connection: PeerConnection
        var isPaused = false

        init(_ connection: PeerConnection) { self.connection = connection }

        func set(paused: Bool) {
            guard paused != self.isPaused else { return }
            self.isPaused = paused
            self.connection.readingPauses += paused ? 1 : -1
            if !paused { self.connection.resumeReading() }
        }
    }

    init(connection: PeerConnection, eventLoop: any EventLoop) {
        self.state = NIOLoopBound(State(connection), eventLoop: eventLoop)
        self.eventLoop = eventLoop
    }

    func pause() { self.state.value.set(paused: true) }

    /// The reader has caught up.
    public func produceMore() {
        let state = self.state
        self.eventLoop.execute { state.value.set(paused: false) }
    }

    /// Nobody reads any more: what still comes is dropped.
    public func didTerminate() { self.produceMore() }
}
