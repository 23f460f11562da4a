/// What a source has its host sign.
public enum SignedThing: Equatable, Sendable {
    /// A block of this number.
    case block(UInt64)
    /// What holds for the whole stream.
    case head
    /// How far it is, when the clock showed this.
    case pulse(clock: UInt64)
    /// That the tree is its own, for the server.
    case creation
}
