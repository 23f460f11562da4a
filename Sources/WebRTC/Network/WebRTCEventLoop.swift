import NIOCore
import NIOPosix
import Synchronization

/// The event loops on which a process's transports live: one for each processor.
enum WebRTCEventLoop {
    static let group = MultiThreadedEventLoopGroup(
        numberOfThreads: max(1, System.coreCount)
    )
    static let all = group.makeIterator().map { $0 as any EventLoop }
    /// The one that is used when nobody asks for another.
    static let loop: any EventLoop = group.next()

    private static let turns = Atomic(0)

    /// The loops by turns.
    static func next() -> any EventLoop {
        let turn = Self.turns.wrappingAdd(1, ordering: .relaxed).oldValue
        return Self.all[Int(UInt(bitPattern: turn) % UInt(Self.all.count))]
    }
}

/// Which of the process's event loops a transport, and everything made from it, lives on.
public enum WebRTCEventLoopChoice: Sendable {
    /// The same for all transports that are bound this way: `PeerConnection`s of several transports may be used
    /// together.
    case shared
    /// The next one by turns; there is one for each processor.
    case next
    /// That of another transport.
    case sameAs(WebRTCTransport)

    var eventLoop: any EventLoop {
        switch self {
        case .shared: WebRTCEventLoop.loop
        case .next: WebRTCEventLoop.next()
        case .sameAs(let transport): transport.eventLoop
        }
    }
}
