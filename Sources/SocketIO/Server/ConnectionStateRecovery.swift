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
    /// How many events a client may have missed. Default 256.
    public var maximumEvents = 256
    /// How many bytes of events are kept, for all clients and namespaces together: one that goes to many is kept once.
    /// The oldest go first. Default 16 MiB.
    public var maximumBytes = 16 << 20
    /// How many clients of a namespace may be away at a time; those lost beyond are gone. Default 10,000.
    public var maximumClients = 10_000

    /// Recovery with the defaults.
    public init() {}
}
