import NIOCore
import Synchronization

/// The memory of messages that a connection's async channels hold for readers who have not taken them yet. Beyond its
/// limit the connection is not read from: messages stay in SCTP's receive buffer, whose window tells the peer to stop.
final class ReadingBudget: Sendable {
    /// Bytes beyond which reading stops. It goes on below a quarter.
    let limit: Int
    private let held = Atomic(0)
    private let pause: NIOLoopBound<Pause>
    private let eventLoop: any EventLoop

    private final class Pause {
        weak var connection: PeerConnection?
        var isOn = false

        func set(_ isOn: Bool) {
            guard isOn != self.isOn else { return }
            self.isOn = isOn
            guard let connection else { return }
            connection.readingPauses += isOn ? 1 : -1
            if !isOn { connection.resumeReading() }
        }
    }

    init(limit: Int, of connection: PeerConnection, eventLoop: any EventLoop) {
        self.limit = limit
        self.eventLoop = eventLoop
        let pause = Pause()
        pause.connection = connection
        self.pause = NIOLoopBound(pause, eventLoop: eventLoop)
    }

    /// Bytes that wait for readers at present.
    var heldBytes: Int { self.held.load(ordering: .relaxed) }

    /// A message is about to be held. On the event loop.
    fileprivate func add(_ bytes: Int) {
        let held = self.held.wrappingAdd(bytes, ordering: .sequentiallyConsistent).newValue
        // A reader that is fast enough to have it below the mark by now has asked for the resumption already, which
        // comes after this.
        if held > self.limit { self.pause.value.set(true) }
    }

    /// A message is held no longer. From anywhere.
    fileprivate func remove(_ bytes: Int) {
        guard bytes > 0 else { return }
        let (old, new) = self.held.wrappingSubtract(bytes, ordering: .sequentiallyConsistent)
        let mark = self.limit / 4
        guard old > mark, new <= mark else { return }
        self.eventLoop.execute {
            if self.heldBytes <= self.limit { self.pause.value.set(false) }
        }
    }

    /// One channel's part of it.
    final class Share: Sendable {
        private let budget: ReadingBudget
        private let held = Atomic(0)

        init(of budget: ReadingBudget) {
            self.budget = budget
        }

        func add(_ message: AsyncDataChannel.Message) {
            self.held.wrappingAdd(message.size, ordering: .relaxed)
            self.budget.add(message.size)
        }

        func remove(_ message: AsyncDataChannel.Message) {
            self.held.wrappingSubtract(message.size, ordering: .relaxed)
            self.budget.remove(message.size)
        }

        /// Nobody takes what is left.
        func removeAll() {
            self.budget.remove(self.held.exchange(0, ordering: .relaxed))
        }
    }
}

extension AsyncDataChannel.Message {
    /// What it takes in memory: the buffer may be larger than what it holds.
    fileprivate var size: Int { self.payload.storageCapacity }
}
