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

    /// A plain child's queue in which something waits, and what follows from the host's word of it.
    func waiting() -> (SendQueues, Channel, answer: (threshold: Int?, isLow: Bool)) {
        var queues = SendQueues(highWater: 1000)
        let channel = Channel(threshold: queues.open(link, isNative: false), waiting: 400)
        queues.sent(400, on: link)
        let due = queues.nextDue()
        #expect(due == link)
        let answer = queues.reported(400, on: link)
        return (queues, channel, answer)
    }

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
        let scene = waiting()
        var (queues, channel) = (scene.0, scene.1)
        // Before the host carries out the new threshold, all is sent; nothing crosses the old one.
        let event = channel.drain(to: 0)
        let isDry = settle(&queues, &channel, scene.answer)
        #expect(event == nil && isDry)
    }

    @Test("A plain child's queue that runs dry after its threshold is set is noticed by the host's event")
    func drainsAfterTheThreshold() {
        let scene = waiting()
        var (queues, channel) = (scene.0, scene.1)
        let isDry = settle(&queues, &channel, scene.answer)
        let event = channel.drain(to: 0)
        #expect(!isDry && event == 0)
        let last = queues.reported(0, on: link)
        let due = queues.nextDue()
        #expect(last.isLow && due == nil)
    }
}
