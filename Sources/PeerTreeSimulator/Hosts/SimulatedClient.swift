package import PeerTreeCore
package import TestSupport

/// A client in the simulation: the real one, its signalling socket, and what its application got.
package struct SimulatedClient {
    /// Whether the process runs.
    package enum Life: Equatable, Sendable {
        case running
        /// It says goodbye and hands its children over.
        case leaving
        /// It is gone, in order or not.
        case gone
    }

    /// The machine under test.
    package internal(set) var client: Client<SimulatedBuffer, SeededGenerator>
    package internal(set) var life = Life.running
    /// What the application got.
    package internal(set) var record = DeliveryRecord()
    /// Why it lost parents, in order, as far as the server was told.
    package internal(set) var orphanings: [LossReason] = []
    /// Why it lost children, in order, as far as the server was told.
    package internal(set) var lostChildren: [LossReason] = []
    /// How often it had the whole stream, and all below it too.
    package internal(set) var completions = 0

    let isSource: Bool
    /// One-way delay to the server and to a neighbour in the middle of the network.
    let delay: TimeSpan
    /// Bytes a second it can receive, and send; nil is more than it ever gets.
    var downlink: Double?
    var uplink: Double?
    /// How long its application takes over each message.
    var readingTime = TimeSpan.zero
    /// When it is called again.
    var wakeUp: Instant?
    /// How often in a row its deadline was no later after it was called.
    var repeatedWakeUps = 0
    /// The ends of its connections by the numbers that it gives them. Only looked up.
    var ends: [LinkID: LinkEnd] = [:]

    /// Grows with every connection to the server: what is under way on an old one is lost.
    var socket: UInt32 = 0
    var isConnected = false
    /// Whether it lies: see ``Puppet``.
    var puppet: Puppet?
    /// If it is an original client: ``client`` does nothing then.
    package internal(set) var original: OriginalViewer?

    init(_ client: Client<SimulatedBuffer, SeededGenerator>, isSource: Bool, delay: TimeSpan) {
        self.client = client
        self.isSource = isSource
        self.delay = delay
    }

    /// The stream; nil before it is in the tree.
    package var peer: Peer<SimulatedBuffer>? { client.peer }
    /// How the stream ended for it.
    package var end: StreamEnd? { client.end }

    var isAlive: Bool { life != .gone }
    /// Whether it speaks our protocol, has come to stay, and does not lie.
    var isHonestViewer: Bool { life == .running && puppet == nil && original == nil && !isSource }
}

extension Text {
    /// The name by which the server calls a client.
    init(client: Int) {
        self.init(Array(String(client).utf8))
    }

    /// The number that the text is; nil if it is none.
    var number: Int? {
        Int(String(decoding: bytes, as: UTF8.self))
    }
}
