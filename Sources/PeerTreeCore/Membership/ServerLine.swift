/// What a membership knows of its server, and what it has asked it.
struct ServerLine {
    /// A question for a place.
    enum Question: Equatable {
        /// To enter a tree.
        case enter
        /// To keep the place of this peer.
        case resume
        /// For another place, with what this peer has.
        case rejoin
    }

    enum Pending: Equatable {
        case nothing
        /// To be asked then, or once the server is back.
        case later(Question, Instant)
        /// Asked; to be asked again then.
        case asked(Question, Instant)
    }

    var isConnected = false
    /// Whether the server speaks our extensions; an original one does not.
    var isNative = false
    /// Why it cannot be reached, since when.
    var unreachable: (reason: Text, since: Instant)?
    var pending = Pending.nothing
    /// Proves that the place is this peer's.
    var token: Text?

    var question: Question? {
        switch pending {
        case .nothing: nil
        case .later(let question, _), .asked(let question, _): question
        }
    }

    /// When the question is due: nothing can be asked of a server that is away.
    var deadline: Instant {
        switch pending {
        case .nothing: .distantFuture
        case .later(_, let instant), .asked(_, let instant): isConnected ? instant : .distantFuture
        }
    }
}

/// STUN and TURN servers, and when their credentials have to be renewed.
struct ICEServers {
    /// The JSON list; nil while the server has named none.
    private(set) var list: Text?
    private(set) var renewal = Instant.distantFuture

    /// Pause before asking again for what was not answered.
    private static let retry = TimeSpan.seconds(10)

    mutating func take(_ advice: ICEServerAdvice, at now: Instant) {
        list = advice.list
        renewal = advice.lifetime.map { now + TimeSpan(nanoseconds: $0.nanoseconds / 10 * 8) } ?? .distantFuture
    }

    mutating func asked(at now: Instant) {
        renewal = now + Self.retry
    }
}
