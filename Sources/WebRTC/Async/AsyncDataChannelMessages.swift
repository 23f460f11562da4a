import NIOCore

extension AsyncDataChannel {
    /// Messages until the channel closes. To be iterated once. Throws `DataChannelError.connectionLost` when the
    /// connection failed under the channel.
    ///
    /// A reader that falls 64 messages behind stops reading from the connection, all its channels included, until it
    /// has caught up: the peer's send buffer fills instead of this side's memory. So do all channels together when they
    /// hold more than ``WebRTCConfiguration/maximumUnreadBytes``.
    public struct Messages: AsyncSequence, Sendable {
        /// A message.
        public typealias Element = Message
        /// `DataChannelError`.
        public typealias Failure = any Error

        typealias Base = NIOThrowingAsyncSequenceProducer<
            Message, any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, AsyncDataChannelReader
        >

        let base: Base
        let share: ReadingBudget.Share

        /// Takes messages from the sequence.
        public struct AsyncIterator: AsyncIteratorProtocol {
            /// A message.
            public typealias Element = Message
            /// `DataChannelError`.
            public typealias Failure = any Error

            var base: Base.AsyncIterator
            let share: ReadingBudget.Share

            /// Waits for the next message. Nil when the channel is closed, or the task cancelled.
            public mutating func next() async throws -> Message? {
                guard let message = try await self.base.next() else { return nil }
                self.share.remove(message)
                return message
            }
        }

        /// Begins to take messages.
        public func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(base: self.base.makeAsyncIterator(), share: self.share)
        }
    }
}
