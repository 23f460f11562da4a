public import NIOCore

/// How an association behaves. Every limit has a default that serves data channels.
public struct AssociationConfiguration: Sendable {
    /// The port of this side. Default 5000.
    public var localPort: UInt16 = 5000
    /// The port of the other side. Default 5000.
    public var remotePort: UInt16 = 5000
    /// The largest packet, common header included, in bytes: what the layer below carries in one piece. At least 128.
    /// Default 1,163, which DTLS makes a UDP payload of 1,200.
    public var maximumPacketSize = 1_163
    /// The largest message that is taken from the other side, in bytes; a larger one ends the association. The receive
    /// window always has room for one. Default 256 KiB.
    public var maximumMessageSize = 262_144
    /// Streams asked for in each direction. Default 65,535; a stream costs nothing before it is used.
    public var streams: UInt16 = 65_535

    /// The receive window to begin with, in bytes. Default 256 KiB.
    public var initialReceiveWindow = 256 * 1024
    /// What the receive window may grow to while it is used in full. Default 8 MiB.
    public var maximumReceiveWindow = 8 * 1024 * 1024
    /// What all associations that share this object may hold beyond their initial windows together, in windows that grow
    /// while they are used in full, and in messages that are not whole yet. Default: no limit.
    public var windowBudget: WindowBudget?

    /// The retransmission time-out before a round trip has been measured (RTO.Initial). Default 500 ms, where RFC 9260
    /// section 16 has 1 s.
    public var initialTimeout = TimeAmount.milliseconds(500)
    /// Its lower bound (RTO.Min). Default 200 ms, where RFC 9260 section 16 has 1 s: lost tails are found by probes, and
    /// this bounds how late the last resort may be.
    public var minimumTimeout = TimeAmount.milliseconds(200)
    /// Its upper bound (RTO.Max). Default 3 s, where RFC 9260 section 16 has 60 s: backing off further would spare the
    /// network nothing that consent checks (RFC 7675) do not, and a path that comes back would lie idle.
    public var maximumTimeout = TimeAmount.seconds(3)
    /// Time-outs in a row, without an answer between them, after which the association is lost (Association.Max.Retrans).
    /// nil leaves that to a layer that knows better. Default 10.
    public var maximumTimeouts: Int? = 10
    /// An idle association asks that often whether the other side is there. Default nil: never.
    public var heartbeatInterval: TimeAmount?
    /// How long an acknowledgement may wait for another packet (RFC 9260 section 6.2: at most 500 ms). Default 20 ms.
    public var acknowledgementDelay = TimeAmount.milliseconds(20)
    /// Of how many packets the other side may acknowledge the last only, if it knows this wish. Growth of the congestion
    /// window counts bytes then (RFC 3465). Default 64.
    public var packetsPerAcknowledgement = 64

    /// Whether fragments of messages may be interleaved (RFC 8260) if the other side can, too. Default true.
    public var usesInterleaving = true
    /// The layer below protects every packet better than a checksum, as DTLS does: incoming checksums are not looked at, and
    /// zero checksums are offered (RFC 9653). Default true.
    public var isIntegrityProtected = true
    /// The checksum. Default: `CRC32c.checksum(of:)`; a processor's own instruction is faster.
    public var checksum: @Sendable (UnsafeRawBufferPointer) -> UInt32 = { CRC32c.checksum(of: $0) }
    /// The message authentication code of state cookies (RFC 9260 section 5.1.3), with a key that lives as long as cookies
    /// may: HMAC-SHA-256, for instance. At most 64 bytes.
    public var authenticate: @Sendable (UnsafeRawBufferPointer) -> [UInt8]
    /// How long a state cookie is good for (Valid.Cookie.Life). Default 60 s.
    public var cookieLifetime = TimeAmount.seconds(60)

    /// Makes the congestion control of an association from its packets' payload in bytes. Default: `Reno`;
    /// `BBR` keeps its rate where a path loses at random.
    public var congestionControl: @Sendable (_ packetSize: Int) -> any CongestionControl = { Reno(packetSize: $0) }

    /// Where sequence numbers begin. Default nil: transmission sequence numbers at random, message numbers at 0. Tests begin
    /// just below the wrap-around.
    package var firstNumbers: FirstNumbers?

    package struct FirstNumbers: Sendable {
        package var transmission: UInt32
        package var message: UInt32

        package init(transmission: UInt32, message: UInt32) {
            self.transmission = transmission
            self.message = message
        }
    }

    /// - Parameter authenticate: see the property of that name.
    public init(authenticate: @escaping @Sendable (UnsafeRawBufferPointer) -> [UInt8]) {
        self.authenticate = authenticate
    }

    /// The initial receive window, which has room for a whole message.
    var receiveWindow: Int { max(self.initialReceiveWindow, self.maximumMessageSize + 64 * 1024) }
}

/// What associations may hold beyond their initial receive windows, together. Belongs to whoever runs them, on one thread.
public final class WindowBudget: @unchecked Sendable {
    // Safe: only associations touch it, which all belong to the one thread that they are run on; it is carried across only
    // within their configuration, before any of them runs.
    package private(set) var rest: Int

    /// - Parameter bytes: what there is for all.
    public init(bytes: Int) {
        self.rest = max(0, bytes)
    }

    func take(_ bytes: Int) -> Bool {
        guard bytes <= self.rest else { return false }
        self.rest -= bytes
        return true
    }

    func giveBack(_ bytes: Int) {
        self.rest += bytes
    }
}
