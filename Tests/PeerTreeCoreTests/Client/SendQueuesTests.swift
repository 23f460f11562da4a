import Testing

@testable import PeerTreeCore

@Suite("Send queues of data channels", .timeLimit(.minutes(5)))
struct SendQueuesTests {
    /// A host's data channel: it says that its queue is low when it falls to the threshold, and not when a threshold is
    /// set that it is below already.
    struct Channel {
        var threshold = 0
        var waiting = 0

        /// - Returns: what the host reports.
        mutating func drain(to bytes: Int) -> Int? {
            defer { waiting = bytes }
            return waiting > threshold && bytes <= threshold ? bytes : nil
        }
    }

    let link = LinkID(1)

    /// Carries out what is asked for until nothing is due.
    func settle(_ queues: inout SendQueues, _ channel: inout Channel, _ answer: (threshold: Int?, isLow: Bool)) -> Bool
    {
        if let threshold = answer.threshold { channel.threshold = threshold }
        var isDry = answer.isLow && channel.waiting == 0
        while queues.nextDue() != nil {
            let further = queues.reported(channel.waiting, on: link)
            if let threshold = further.threshold { channel.threshold = threshold }
            isDry = isDry || further.isLow && channel.waiting == 0
        }
        return isDry
    }

    @Test("A plain child's queue that runs dry while its threshold is on its way is still noticed")
    func drainsBeforeTheThreshold() {
        var queues = SendQueues(highWater: 1000)
        var channel = Channel(threshold: queues.open(link, isNative: false))
        queues.sent(400, on: link)
        channel.waiting = 400
        #expect(queues.nextDue() == link)
        let answer = queues.reported(400, on: link)
        // Before the host carries out the new threshold, all is sent; nothing crosses the old one.
        #expect(channel.drain(to: 0) == nil)
        #expect(settle(&queues, &channel, answer))
    }

    @Test("A plain child's queue that runs dry after its threshold is set is noticed by the host's event")
    func drainsAfterTheThreshold() {
        var queues = SendQueues(highWater: 1000)
        var channel = Channel(threshold: queues.open(link, isNative: false))
        queues.sent(400, on: link)
        channel.waiting = 400
        #expect(queues.nextDue() == link)
        let answer = queues.reported(400, on: link)
        #expect(!settle(&queues, &channel, answer))
        #expect(channel.drain(to: 0) == 0)
        #expect(queues.reported(0, on: link).isLow)
        #expect(queues.nextDue() == nil)
    }
}
