/// The limits and timers of a client.
public struct ClientConfiguration: Sendable {
    /// Of the stream and its links.
    public var peer = PeerConfiguration()
    /// Of the place in the tree.
    public var membership = MembershipConfiguration()
    /// Whether messages go to the application, which says what it has taken (``ClientInput/consumed(through:)``). Otherwise
    /// this peer passes them on and no more.
    public var deliversMessages = true

    /// The defaults.
    public init() {}

    /// Whether a message may be published; what encryption adds to it counts.
    ///
    /// - Throws: ``PublishError/messageTooLarge(bytes:limit:)``.
    public func checkMessage(bytes: Int) throws(PublishError) {
        let limit = peer.maximumMessageBytes - (membership.isEncrypted ? MessageSeal.overhead : 0)
        guard bytes <= limit else { throw .messageTooLarge(bytes: bytes, limit: limit) }
    }
}
