package import NIOCore

/// The limits of a node's links. Every link has them for itself.
package struct LinkOptions: Sendable {
    /// Bytes of the longest payload that is sent or taken. Default 8 MiB: the longest message of a gateway has 4.1 MB.
    /// A longer one ends the connection of whoever sends it.
    package var maximumPayloadBytes = 8 << 20

    /// Bytes, and frames, that may wait for the other node's acknowledgement. One more ends the session
    /// (``SessionEnd/overflow``): nothing is ever left out silently. Default 32 MiB and 65,536 frames. Every link may take
    /// as much memory.
    package var maximumQueuedBytes = 32 << 20
    package var maximumQueuedFrames = 65_536

    /// From how many waiting bytes, or frames, on a link says that it is not writable; at half of that it is so again.
    /// Default 1 MiB and 8,192 frames. Who goes on regardless has until ``maximumQueuedBytes``.
    package var writableBelowBytes = 1 << 20
    package var writableBelowFrames = 8_192

    /// Bytes that are written before the socket says that it takes more. Default 256 KiB: what a turn of the loop sends at
    /// once.
    package var burstBytes = 256 << 10

    /// How long what came may wait for its acknowledgement, which else goes along with traffic. Default 20 ms.
    package var acknowledgementDelay = TimeAmount.milliseconds(20)
    /// As many frames, or bytes, are acknowledged at once. Default 1,024 frames and 256 KiB.
    package var acknowledgementFrames = 1_024
    package var acknowledgementBytes = 256 << 10

    /// Something is said on an idle link as often. Default 250 ms.
    package var keepAlive = TimeAmount.milliseconds(250)
    /// A node of which nothing was heard for as long is reported unreachable; its connection goes on. Default 1 s: four
    /// times ``keepAlive``.
    package var unreachableAfter = TimeAmount.seconds(1)
    /// A connection on which nothing was heard for as long is closed, and another one is tried. Default 3 s.
    package var silenceLimit = TimeAmount.seconds(3)

    /// Until a connection is there. Default 2 s.
    package var connectTimeout = TimeAmount.seconds(2)
    /// From the first byte to the proof. Default 5 s, TLS included.
    package var handshakeTimeout = TimeAmount.seconds(5)
    /// Connections from others that have proved nothing yet. Default 64; a newcomer beyond that is closed at once.
    package var maximumUnprovenConnections = 64

    /// Between two attempts to connect: at first, and at most, each time twice as long as before and up to half as long
    /// again at random. Default 50 ms and 2 s.
    package var redialMinimum = TimeAmount.milliseconds(50)
    package var redialMaximum = TimeAmount.seconds(2)
    /// The node whose name comes second leaves dialing to the other for as long. Default 1 s.
    package var dialPatience = TimeAmount.seconds(1)

    package init() {}
}
