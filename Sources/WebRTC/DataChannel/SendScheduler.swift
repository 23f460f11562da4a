import NIOCore

/// Whose message goes next when SCTP's send buffer has been full: deficit round robin, weighted by priority (RFC 8831
/// section 6.4). In its turn a channel may send so many bytes; what it could not use, because its message is larger,
/// is added to its next turn.
final class SendScheduler {
    /// Bytes a channel of weight 1 may send in a turn: 16 KiB at normal priority.
    private static let bytesPerWeight = 64

    private var waiting = CircularBuffer<DataChannel>()
    /// The first of `waiting` has had its bytes for this turn.
    private var isInTurn = false

    /// Whether any channel waits: then nobody may push in.
    var isBusy: Bool { !self.waiting.isEmpty }

    func add(_ channel: DataChannel) {
        guard !channel.isWaiting else { return }
        channel.isWaiting = true
        channel.credit = 0
        self.waiting.append(channel)
    }

    /// Hands messages to SCTP until it takes no more or none is left. Returns the channels whose message SCTP refused,
    /// with its `errno`; their queues are empty then.
    func run() -> [(channel: DataChannel, code: Int32)] {
        var failed: [(channel: DataChannel, code: Int32)] = []
        while let channel = self.waiting.first {
            guard let first = channel.queue.first else {
                self.removeFirst()
                continue
            }
            let bytes = first.message.readableBytes
            guard self.mayContinue(channel, bytes: bytes) else { continue }
            switch channel.handFirst() {
            case .sent:
                channel.credit = max(0, channel.credit - bytes)
            case .partly, .wouldBlock:
                return failed
            case .failed(let code):
                channel.abandonQueue()
                failed.append((channel, code))
            }
        }
        return failed
    }

    /// Whether the first channel may send its first message now. Ends its turn if not.
    private func mayContinue(_ channel: DataChannel, bytes: Int) -> Bool {
        if !self.isInTurn {
            channel.credit += max(1, Int(channel.priority.rawValue)) * Self.bytesPerWeight
            self.isInTurn = true
        }
        // Alone it need not wait for credit; nor amid a message, which no other may interrupt.
        if self.waiting.count == 1 || channel.handedOfFirst > 0 || bytes <= channel.credit { return true }
        self.isInTurn = false
        self.waiting.append(self.waiting.removeFirst())
        return false
    }

    private func removeFirst() {
        let channel = self.waiting.removeFirst()
        channel.isWaiting = false
        channel.credit = 0
        self.isInTurn = false
        // What was to be closed once its queue is empty, now is.
        if channel.readyState == .closing { channel.note() }
    }
}
