/// The limits and timers of a client.
public struct ClientConfiguration: Sendable {
    /// Of the stream and its links.
    public var peer = PeerConfiguration()
    /// Of the place in the tree.
    public var membership = MembershipConfiguration()
    /// Whether the application says what it has taken (``ClientInput/consumed(through:)``). Otherwise everything that is
    /// delivered counts as taken.
    public var waitsForReader = true

    /// The defaults.
    public init() {}
}
