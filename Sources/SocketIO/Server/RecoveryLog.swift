package import NIOCore
import Synchronization

/// An event on its way to clients: as it is, and with its place for those that may come back.
package struct OutgoingEvent: Sendable {
    /// An event with its number as a last argument.
    package struct Numbered: Sendable {
        package let number: Int
        package let packet: EncodedPacket
    }

    /// For clients that cannot come back.
    let plain: EncodedPacket
    /// Nil if nobody can come back, or if the event is volatile.
    let numbered: Numbered?
    let isVolatile: Bool
}

/// The newest events of a server, each once, whoever they went to. May be used from any thread.
package final class RecoveryLog: Sendable {
    private struct Entry {
        var packet: EncodedPacket
        var sentAt: NIODeadline
    }

    private struct State {
        var entries: CircularBuffer<Entry> = []
        /// The number of the first entry.
        var first = 1
        var bytes = 0
    }

    package let options: ConnectionStateRecovery
    private let state = Mutex(State())

    package init(options: ConnectionStateRecovery) { self.options = options }

    /// Gives an event the next number and keeps it.
    package func append(_ packet: EncodedPacket, at now: NIODeadline) -> OutgoingEvent.Numbered {
        state.withLock { state in
            let number = state.first + state.entries.count
            let numbered = Self.numbering(packet, number)
            state.entries.append(Entry(packet: numbered, sentAt: now))
            state.bytes += numbered.cost
            while let oldest = state.entries.first, isExcess(oldest, bytes: state.bytes, at: now) {
                state.bytes -= oldest.packet.cost
                state.entries.removeFirst()
                state.first += 1
            }
            return OutgoingEvent.Numbered(number: number, packet: numbered)
        }
    }

    private func isExcess(_ entry: Entry, bytes: Int, at now: NIODeadline) -> Bool {
        bytes > options.maximumBytes || entry.sentAt + options.maximumDisconnection + Self.notice < now
    }

    /// A lost connection is noticed only when a ping goes unanswered.
    private static let notice = TimeAmount.minutes(1)

    /// The events of these numbers, in their order; nil if one is not kept any more.
    package func events(_ numbers: some Sequence<Int>) -> [EncodedPacket]? {
        state.withLock { state in
            var packets: [EncodedPacket] = []
            for number in numbers {
                let index = number - state.first
                guard index >= 0, index < state.entries.count else { return nil }
                packets.append(state.entries[state.entries.index(state.entries.startIndex, offsetBy: index)].packet)
            }
            return packets
        }
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
    /// What it takes to keep the packet, with what is allocated for it beside its bytes.
    fileprivate var cost: Int { attachments.reduce(text.storageCapacity + 128) { $0 + $1.readableBytes } }
}

/// The numbers of the newest events sent to one client, in the order in which they were sent.
package struct SentEvents: Sendable {
    private let maximum: Int
    private var numbers: [Int] = []

    package init(maximum: Int) { self.maximum = max(maximum, 0) }

    package mutating func append(_ number: Int) {
        numbers.append(number)
        // The event that the client has seen last is beside those that it has missed.
        if numbers.count > maximum + 1 { numbers.removeFirst() }
    }

    /// What was sent after the event with this number; nil if the client was not sent that, or it is too long ago.
    package func missed(after offset: String) -> ArraySlice<Int>? {
        guard let number = Int(offset), let place = numbers.lastIndex(of: number) else { return nil }
        return numbers[(place + 1)...]
    }
}

/// What makes one socket recoverable. Used on the socket's event loop only.
struct SocketRecovery {
    /// The client's secret: whoever knows it may take its place.
    let id: String
    var sent: SentEvents
    /// What is to be sent as soon as the client has been told that it is back.
    var held: [OutgoingEvent] = []
    /// The socket on another event loop that has taken this one's place.
    var successor: SocketIOSocket?
}

extension SocketIONamespace {
    /// An event for any number of this namespace's sockets: encoded here, once.
    func outgoing(_ packet: EncodedPacket, isVolatile: Bool) -> OutgoingEvent {
        let numbered = isVolatile ? nil : recovery?.append(packet, at: .now())
        return OutgoingEvent(plain: packet, numbered: numbered, isVolatile: isVolatile)
    }
}
