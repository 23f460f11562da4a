#if canImport(PeerTreeCore)
import PeerTreeCore
#endif

/// What the page has put down for the next input: its numbers and its texts, each in their order.
struct InputRecord {
    private var numbers: [Double] = []
    private var texts: [Text?] = []

    mutating func put(_ number: Double) {
        numbers.append(number)
    }

    mutating func put(_ text: Text?) {
        texts.append(text)
    }

    /// The input of this kind, from all that was put down; nil for an event of the server that is none.
    mutating func take(_ kind: Input) -> ClientInput<HandleBuffer>? {
        defer {
            numbers.removeAll(keepingCapacity: true)
            texts.removeAll(keepingCapacity: true)
        }
        let link = LinkID(UInt32(truncatingIfNeeded: number(0).clamped))
        switch kind {
        case .enter: return .enter(text(0))
        case .cancelEntering: return .cancelEntering
        case .finish: return .finish
        case .consumed: return .consumed(through: number(0).clamped)
        case .restartPaths: return .restartPaths
        case .leave: return .leave
        case .stop: return .stop
        case .serverNamed: return .serverNamed(socket: text(0) ?? .empty, host: text(1) ?? .empty)
        case .serverConnected: return .serverConnected
        case .serverLost: return .serverLost
        case .serverUnreachable: return .serverUnreachable(reason: text(0) ?? .empty, isFinal: number(0) != 0)
        case .server: return ServerEvent(text(0) ?? .empty, text(1) ?? .empty).map { .server($0) }
        case .signed:
            let thing = SignedThing(kind: number(0), number: number(1))
            return Signature((text(0) ?? .empty).bytes).map { .signed(thing, $0) }
        case .verified: return .verified(ticket: number(0).clamped, number(1) != 0)
        case .described: return .described(link, sdp: text(0) ?? .empty)
        case .candidate: return .candidate(link, text(0))
        case .connectionFailed: return .connectionFailed(link)
        case .path: return path.map { .path(link, $0) }
        case .relayed: return .relayed(link, number(1) != 0)
        case .channelOpened: return .channelOpened(link)
        case .channelClosed: return .channelClosed(link)
        case .buffered: return .buffered(link, Int(min(number(1).clamped, UInt64(Int32.max))))
        case .roundTrip: return .roundTrip(link, TimeSpan(milliseconds: number(1)))
        case .networkChanged: return .networkChanged(isLost: number(0) != 0)
        case .tick: return .tick(unixMicroseconds: number(0).clamped)
        }
    }

    /// Two texts that were put down for something else than an input.
    mutating func takeTexts() -> (Text?, Text?) {
        defer { texts.removeAll() }
        return (text(0), text(1))
    }

    private func number(_ index: Int) -> Double {
        index < numbers.count ? numbers[index] : 0
    }

    private func text(_ index: Int) -> Text? {
        index < texts.count ? texts[index] : nil
    }

    /// The state that the W3C calls so, as far as it matters.
    private var path: PathState? {
        guard let name = text(0) else { return nil }
        switch true {
        case name == "connected": return .connected
        case name == "disconnected": return .disconnected
        case name == "failed", name == "closed": return .failed
        default: return nil
        }
    }
}
