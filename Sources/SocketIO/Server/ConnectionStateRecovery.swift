public import NIOCore

/// Lets a client that lost its connection come back as if nothing had happened: with the same identifier, rooms and
/// data, and with everything that was sent meanwhile.
///
/// For that, every event without acknowledgement gets one more argument, a string that tells its place in the order;
/// the client names the last one it has seen when it returns. ``SocketIOSocket/isRecovered`` tells whether it worked:
/// it does not if the client was away too long, if more was sent than is kept, or if it had not received anything yet.
/// The events of `disconnect` and `connection` come all the same. Clients of Engine.IO 3 cannot do it.
public struct ConnectionStateRecovery: Sendable, Hashable {
    /// How long a client may be away. Default 2 minutes.
    public var maximumDisconnection = TimeAmount.minutes(2)
    /// Whether a returning client passes without being asked again by the middleware. Default true.
    public var skipsMiddleware = true
    /// How many events are kept for a client. Default 256.
    public var maximumEvents = 256
    /// How many bytes of events are kept for a client. Default 64 KiB.
    public var maximumBytes = 64 << 10
    /// How many clients of a namespace may be away at a time; those lost beyond are gone. Default 10,000.
    public var maximumClients = 10_000

    /// Recovery with the defaults.
    public init() {}
}

/// The newest events sent to one client, each with its place in their order.
package struct RecoveryLog: Sendable {
    private struct Entry {
        var packet: EncodedPacket
        var sentAt: NIODeadline
    }

    private let options: ConnectionStateRecovery
    private var entries: [Entry] = []
    private var bytes = 0
    /// The number of the first entry.
    private var first = 1

    package init(options: ConnectionStateRecovery) { self.options = options }

    /// Keeps an event's packet and returns it with its number as a last argument.
    package mutating func append(_ packet: EncodedPacket, at now: NIODeadline) -> EncodedPacket {
        let numbered = Self.numbering(packet, first + entries.count)
        entries.append(Entry(packet: numbered, sentAt: now))
        bytes += numbered.byteCount
        var dropped = 0
        while dropped < entries.count, isExcess(entries[dropped], kept: entries.count - dropped, at: now) {
            bytes -= entries[dropped].packet.byteCount
            dropped += 1
        }
        entries.removeFirst(dropped)
        first += dropped
        return numbered
    }

    private func isExcess(_ entry: Entry, kept: Int, at now: NIODeadline) -> Bool {
        kept > options.maximumEvents || bytes > options.maximumBytes
            || entry.sentAt + options.maximumDisconnection + Self.notice < now
    }

    /// A lost connection is noticed only when a ping goes unanswered.
    private static let notice = TimeAmount.minutes(1)

    /// What was sent after the event with this number; nil if that is not known completely.
    package func missed(after offset: String) -> [EncodedPacket]? {
        guard let number = Int(offset), number >= first - 1, number < first + entries.count else { return nil }
        return entries.dropFirst(number - first + 1).map(\.packet)
    }

    /// `["news",1]` becomes `["news",1,"17"]`.
    private static func numbering(_ packet: EncodedPacket, _ number: Int) -> EncodedPacket {
        var text = ByteBuffer()
        text.reserveCapacity(packet.text.readableBytes + 24)
        text.writeImmutableBuffer(packet.text)
        text.moveWriterIndex(to: max(text.writerIndex - 1, text.readerIndex))
        text.writeString(",\"\(number)\"]")
        return EncodedPacket(text: text, attachments: packet.attachments)
    }
}

extension EncodedPacket {
    fileprivate var byteCount: Int { attachments.reduce(text.readableBytes) { $0 + $1.readableBytes } }
}

/// What makes one socket recoverable. Used on the socket's event loop only.
struct SocketRecovery {
    /// The client's secret: whoever knows it may take its place.
    let id: String
    var log: RecoveryLog
    /// What is to be sent as soon as the client has been told that it is back.
    var held: [(packet: EncodedPacket, isVolatile: Bool)] = []
    /// The socket on another event loop that has taken this one's place.
    var successor: SocketIOSocket?
}
