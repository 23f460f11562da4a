/// The limits and timers of a membership.
public struct MembershipConfiguration: Sendable {
    /// The program's name and version, for dashboards, such as `peer-tree/1.2.3`: at most 48 letters, digits, blanks and
    /// `.-/` of it are shown.
    public var agent: Text = "peer-tree"
    /// How many children this peer offers to feed; nil leaves it to the server (its `k`, or `k1` for a source). The
    /// server may lower it.
    public var capacity: UInt16?
    /// Over how many trees a source deals its stream.
    public var stripes: UInt8 = 1
    /// How many of those carry the parity of the others, 0 or 1. Default 0.
    public var parity: UInt8 = 0
    /// Whether the host has the secret of an encrypted broadcast. A source then encrypts its messages, and the server refuses
    /// original clients, which could not read them; a viewer takes no message that is not encrypted.
    public var isEncrypted = false
    /// The public key of a source that signs its stream: its tree's id follows from that. The host has the private one.
    public var identity: SourceKey?
    /// How long the server may take to answer. A peer that is in a tree asks again after that.
    public var discoverTimeout: TimeSpan = .seconds(10)
    /// How long a server that cannot be reached is tried for when a tree is to be entered: it may be just starting. A
    /// peer that is in a tree waits for as long as it takes.
    public var unreachablePatience: TimeSpan = .seconds(5)
    /// Pause before asking again for a place that may be free in a moment. Each pause is made longer at random, by up to
    /// a half, so that those who were refused together do not come back together.
    public var retryInterval: TimeSpan = .seconds(2)
    /// How often a viewer reports to the server; nil never. A server with a large audience asks for fewer reports.
    public var statusInterval: TimeSpan? = .seconds(2)
    /// How many signalling sessions may be under way at once, in both directions.
    public var maximumSessions: Int = 256
    /// How many of them may be with peers that come as children though the server, which names children, has not named
    /// them.
    public var maximumStrangers: Int = 8
    /// How long the session of a child may take to become a link.
    public var sessionTimeout: TimeSpan = .seconds(10)
    /// Pause between two attempts to find a new path for a link.
    public var restartInterval: TimeSpan = .seconds(2)
    /// How long the connection under a closed link to a native peer may stay, so that what was sent gets out.
    public var nativePatience: TimeSpan = .milliseconds(300)
    /// The same for a plain neighbour, which does not say what it has received.
    public var plainPatience: TimeSpan = .seconds(2)

    /// The defaults.
    public init() {}
}
