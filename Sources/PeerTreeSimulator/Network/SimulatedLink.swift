package import PeerTreeCore
import TestSupport

/// One end of a link: the link's index in the simulation's table, and which of the two ends.
struct LinkEnd: Equatable {
    let link: Int
    /// 0 is the child, which made the offer; 1 is the parent.
    let side: Int

    var other: LinkEnd { LinkEnd(link: link, side: 1 - side) }
}

/// What waits at one end of a link that is slow.
struct SendingQueue {
    struct Message {
        let frame: SimulatedBuffer
        let isText: Bool
    }

    /// Bytes of all that waits, the message that is leaving included.
    private(set) var bytes = 0
    /// Whether the first one is leaving.
    var isLeaving = false
    /// The channel is closed once nothing waits.
    var closesWhenEmpty = false
    private var messages: [Message] = []
    private var head = 0

    var first: Message? { head < messages.count ? messages[head] : nil }

    mutating func append(_ message: Message) {
        messages.append(message)
        bytes += message.frame.count
    }

    mutating func removeFirst() {
        guard let first else { return }
        bytes -= first.frame.count
        head += 1
        guard head == messages.count || head >= 1_024 else { return }
        messages.removeFirst(head)
        head = 0
    }

    mutating func removeAll() {
        self = SendingQueue()
    }
}

/// A connection between two clients and its data channel: ordered, with a delay, and with a rate if one of the two has
/// a slow link.
struct SimulatedLink {
    enum State {
        /// The child has described its end.
        case offered
        /// The parent has taken the offer.
        case accepted
        /// The child has taken the answer: the two look for a path.
        case connecting
        case open
        case over
    }

    /// What one client has of it.
    struct Side {
        let client: Int
        /// The number by which the client knows the link; nil if a liar made it without its own client's knowledge.
        let id: LinkID?
        /// When what was sent to it so far has arrived: messages do not overtake each other.
        var arrivedUntil = Instant.zero
        /// What was sent and has not left it.
        var queue = SendingQueue()
        /// The client is told when so few wait again.
        var lowThreshold = 0
    }

    /// By ``LinkEnd/side``; the parent is there once it has taken the offer.
    var sides: [Side]
    var state = State.offered
    var delay = TimeSpan.zero
    /// Whether a liar that made it lets a channel come of it.
    var opens = true

    init(_ client: Int, _ id: LinkID?) {
        sides = [Side(client: client, id: id)]
    }

    var isOpen: Bool { state == .open }
}

/// How the simulated network behaves. Every default suits a test that wants nothing special.
package struct NetworkConditions: Sendable {
    /// One-way delay between two clients, and between a client and the server; each pair draws its own.
    package var delay: ClosedRange<TimeSpan> = .milliseconds(5) ... .milliseconds(40)
    /// The share of chunks that get lost. Control frames do not: they travel reliably.
    package var chunkLoss = 0.0
    /// How long a client waits before it connects again to a server it has lost.
    package var reconnectDelay: ClosedRange<TimeSpan> = .milliseconds(500) ... .seconds(3)

    package init() {}
}

extension TimeSpan {
    static func random(in range: ClosedRange<TimeSpan>, using random: inout SeededGenerator) -> TimeSpan {
        TimeSpan(
            nanoseconds: UInt64.random(
                in: range.lowerBound.nanoseconds...range.upperBound.nanoseconds,
                using: &random
            )
        )
    }
}
