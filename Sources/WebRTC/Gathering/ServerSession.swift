import NIOCore

/// The exchange with one STUN or TURN server at one address, on behalf of all connections of a transport: they share a
/// port, so one mapping of the NAT and one allocation serve them all.
protocol ServerSession: AnyObject {
    var context: SessionContext { get }
    /// Whether it has all the candidates it will have, or has failed.
    var isSettled: Bool { get }
    var candidates: [GatheredCandidate] { get }
    func start()
    /// A STUN response or indication that came from the server.
    func receive(_ decoder: STUNDecoder)
    /// The host's addresses changed.
    func networkChanged()
    func close()
}

extension ServerSession {
    /// The first 32 bits of its STUN transactions.
    var id: UInt32 { self.context.id }
    var server: TransportAddress { self.context.server }
    var core: TransportCore { self.context.core }
}

/// What every session is given.
struct SessionContext {
    let id: UInt32
    let server: TransportAddress
    /// The local preference of its candidates (RFC 8445 section 5.1.2.1).
    let preference: UInt16
    unowned let core: TransportCore
    let onEvent: (ServerSessionEvent) -> Void
}

/// A candidate and the base that checks leave through.
struct GatheredCandidate: Equatable {
    var candidate: ICECandidate
    var base: Int
}

/// What a session tells the pool.
enum ServerSessionEvent {
    case found(GatheredCandidate)
    /// It may have settled.
    case changed
    /// The base is gone, for the reason given; the pool may make a new session.
    case lost(base: Int, TURNError)
    /// The server names another one.
    case redirected(TransportAddress)
}
