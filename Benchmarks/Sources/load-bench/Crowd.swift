#if os(Linux)
import Glibc

/// Every simulated peer, driven by one thread.
///
/// Peers speak Engine.IO 4, Socket.IO 5 and simple-signal discovery; native ones also answer what the server assigns.
/// Nothing here is lenient: a refusal, or a socket that the server closes, ends the run.
final class Crowd {
    let options: CrowdOptions
    private let servers: [ServerAddress]
    private let poller: Poller
    private var peers: [Peer] = []
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
    private let offer: String
    private let answer: String
    private var discover: [UInt8] = []
    private var nextSource: UInt32 = 0
    private var reports = ReportCalendar()

    /// Sockets that came as far as Socket.IO, and peers that joined, since the beginning.
    private(set) var opened = 0
    private(set) var joined = 0
    /// When each of the peers joined, in order.
    private(set) var joinTimes: [UInt64] = []
    /// From `discover` to its answer, and from connecting to that; nanoseconds, in order.
    private(set) var discoverTimes: [UInt64] = []
    private(set) var arrivalTimes: [UInt64] = []
    private(set) var pings = 0
    private(set) var statusReports = 0
    /// The newest the source was told of its tree, and the deepest it ever was since ``forgetDepth()``.
    private(set) var viewers: Int?
    private(set) var depth: Int?
    private(set) var deepest: Int?

    init(options: CrowdOptions) throws {
        self.options = options
        servers = try options.urls.map { try ServerAddress(url: $0) }
        poller = try Poller()
        // As long as the descriptions and candidates of a real data channel.
        let sdp = String(repeating: "a=line of a session description\\r\\n", count: 20)
        offer = #"{"type":"offer","sdp":"\#(sdp)"}"#
        answer = #"{"type":"answer","sdp":"\#(sdp)"}"#
        for slot in 0...options.peers { peers.append(Peer(slot: slot)) }
        if let tree = options.tree { enter(tree) }
    }

    // MARK: - Doing

    /// The source creates the tree, unless there is one.
    func createTree() throws {
        guard options.tree == nil else { return }
        let source = peers[0]
        source.isSource = true
        source.joinsWhenOpen = true
        discover = event("simple-signal[discover]", #"{"createNew":true\#(announcement)}"#)
        try connect(source)
        while source.phase != .joined { try poll(milliseconds: 100) }
        forgetTimes()
    }

    /// Peer `number`, from 1, connects, and joins at once if it should.
    func connect(_ number: Int, joins: Bool) throws {
        peers[number].joinsWhenOpen = joins
        try connect(peers[number])
    }

    /// An open peer joins.
    func join(_ number: Int) throws { try discover(peers[number]) }

    /// A peer that joined goes: in order, or as if its machine had died.
    func depart(_ number: Int, vanishes: Bool) throws {
        let peer = peers[number]
        guard peer.phase == .joined else { throw LoadError("A peer is to depart that is not in the tree yet.") }
        if !vanishes {
            var farewell: [UInt8] = []
            if options.isNative { Frames.appendText(Array(#"42["peer-tree[leave]",{}]"#.utf8), to: &farewell) }
            Frames.appendClose(to: &farewell)
            try peer.send(farewell, poller: poller)
        }
        peer.disconnect(reset: vanishes)
    }

    func isJoined(_ number: Int) -> Bool { peers[number].phase == .joined }

    func forgetTimes() {
        joinTimes = []
        discoverTimes = []
        arrivalTimes = []
        (opened, joined, pings, statusReports) = (0, 0, 0, 0)
    }

    func forgetDepth() { deepest = nil }

    /// Works off what the sockets bring, after waiting for at most so long.
    func poll(milliseconds: Int32) throws {
        if options.reportsStatus { try report() }
        try poller.wait(milliseconds: milliseconds) { slot, isWritable in
            let peer = peers[slot]
            if peer.phase == .connecting { try connected(peer) }
            if isWritable { try peer.flush(poller: poller) }
            if peer.descriptor >= 0 { try read(peer) }
        }
    }

    // MARK: - Connections

    private func connect(_ peer: Peer) throws {
        var source: UInt32?
        let server = server(of: peer)
        if server.isLoopback, options.sources > 0 {
            source = (0x7F00_0002 + nextSource % UInt32(options.sources)).bigEndian
            nextSource &+= 1
        }
        try peer.connect(to: server, from: source, poller: poller)
    }

    private func connected(_ peer: Peer) throws {
        var status: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(peer.descriptor, SOL_SOCKET, SO_ERROR, &status, &size)
        guard status == 0 else { throw LoadError("Connecting failed: \(String(cString: strerror(status)))") }
        peer.phase = .upgrading
        try peer.send(server(of: peer).request, poller: poller)
    }

    private func server(of peer: Peer) -> ServerAddress { servers[peer.slot % servers.count] }

    private func read(_ peer: Peer) throws {
        let count = recv(peer.descriptor, buffer.baseAddress, buffer.count, 0)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else {
            throw LoadError(
                "The server closed a connection (\(peer.phase)): \(count == 0 ? "end of stream" : errorText())"
            )
        }
        let fresh = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        guard !peer.received.isEmpty else {
            let rest = try consume(fresh, peer)
            if rest < count { peer.received = Array(fresh[rest...]) }
            return
        }
        var whole = peer.received
        whole.append(contentsOf: fresh)
        peer.received = []
        let rest = try whole.withUnsafeBytes { try consume($0, peer) }
        if rest < whole.count { peer.received = Array(whole[rest...]) }
    }

    /// Takes every complete message; returns where the first incomplete one begins.
    private func consume(_ bytes: UnsafeRawBufferPointer, _ peer: Peer) throws -> Int {
        var position = 0
        if peer.phase == .upgrading {
            guard let end = bytes.end(of: "\r\n\r\n") else { return 0 }
            guard bytes.starts(with: "HTTP/1.1 101") else {
                throw LoadError(
                    "The server refused the WebSocket: \(String(decoding: bytes.prefix(200), as: UTF8.self))"
                )
            }
            peer.phase = .opening
            position = end
        }
        while peer.descriptor >= 0, let frame = Frames.next(in: bytes, at: position) {
            position = frame.end
            switch frame.opcode {
            case 1: try receive(frame.payload, peer)
            case 8: throw LoadError("The server closed a WebSocket (\(peer.phase)).")
            case 9:
                var pong: [UInt8] = []
                Frames.appendPong(frame.payload, to: &pong)
                try peer.send(pong, poller: poller)
            default: break
            }
        }
        return position
    }

    // MARK: - Messages

    private func receive(_ message: UnsafeRawBufferPointer, _ peer: Peer) throws {
        guard let type = message.first else { return }
        switch type {
        case UInt8(ascii: "2"):
            pings += 1
            try sendText("3", peer)
        case UInt8(ascii: "0"):
            peer.phase = .joiningNamespace
            try sendText("40", peer)
        case UInt8(ascii: "4"):
            if message.starts(with: "42[\"") {
                try receive(event: UnsafeRawBufferPointer(rebasing: message.dropFirst(3)), peer)
            } else if message.starts(with: "40"), peer.phase == .joiningNamespace {
                opened += 1
                peer.phase = .open
                if peer.joinsWhenOpen { try discover(peer) }
            } else {
                throw LoadError("The server refused a socket: \(String(decoding: message.prefix(200), as: UTF8.self))")
            }
        default: break
        }
    }

    private func receive(event: UnsafeRawBufferPointer, _ peer: Peer) throws {
        if event.starts(with: "\"simple-signal[discover]\"") {
            try discovered(event, peer)
        } else if event.starts(with: "\"peer-tree[assign]\"") {
            try assigned(event, peer)
        } else if event.starts(with: "\"simple-signal[offer]\"") {
            try answerOffer(event, peer)
        } else if event.starts(with: "\"simple-signal[signal]\"") {
            if peer.phase == .linking { try complete(peer) }
        } else if event.starts(with: "\"peer-tree[tree]\"") {
            viewers = event.integer(after: "\"viewers\":")
            depth = event.integer(after: "\"depth\":")
            deepest = [deepest, depth].compactMap { $0 }.max()
        } else if event.starts(with: "\"peer-tree[suspect]\"") {
            try reportSuspect(event, peer)
        } else if event.starts(with: "\"peer-tree[status]\"") {
            peer.statusInterval = event.integer(after: "\"interval\":") ?? peer.statusInterval
        } else if event.starts(with: "\"peer-tree[error]\"") {
            // Two peers may report the same neighbour, and a report may cross an assignment: that is no failure.
            guard
                event.contains("peer-tree[child-lost]") || event.contains("peer-tree[orphaned]")
                    || event.contains("absent-target") || event.contains("unknown-target")
            else { throw LoadError("The server refused an event: \(String(decoding: event, as: UTF8.self))") }
        }
    }

    private func discover(_ peer: Peer) throws {
        peer.phase = .discovering
        peer.asked = nanoseconds()
        try peer.send(discover, poller: poller)
    }

    /// What all peers ask from now on.
    private func enter(_ tree: String) {
        discover = event("simple-signal[discover]", #"{"treeID":"\#(tree)"\#(announcement)}"#)
    }

    private func discovered(_ event: UnsafeRawBufferPointer, _ peer: Peer) throws {
        guard peer.phase == .discovering, !event.contains("\"err\":") else {
            throw LoadError("The server refused to place a peer: \(String(decoding: event.prefix(300), as: UTF8.self))")
        }
        let now = nanoseconds()
        if peer.isSource {
            guard let tree = event.string(after: "\"treeID\":\"") else { throw LoadError("The new tree has no id.") }
            enter(tree)
            let told = Array("The tree is \(tree)\n".utf8)
            write(STDERR_FILENO, told, told.count)
            peer.phase = .joined
            return
        }
        discoverTimes.append(now - peer.asked)
        arrivalTimes.append(now - peer.began)
        peer.parent = event.string(after: "\"peers\":[\"") ?? ""
        peer.epoch = event.integer(after: "\"epoch\":") ?? 0
        if options.links, !peer.parent.isEmpty {
            peer.phase = .linking
            let session = "\(peer.slot)-\(now)"
            try peer.send(
                self.event(
                    "simple-signal[offer]",
                    #"{"signal":\#(offer)\#(metadata),"sessionId":"\#(session)","target":"\#(peer.parent)"}"#
                ),
                poller: poller
            )
        } else {
            try complete(peer)
        }
    }

    /// A parent agrees to feed its new child.
    private func answerOffer(_ event: UnsafeRawBufferPointer, _ peer: Peer) throws {
        guard let session = event.string(after: "\"sessionId\":\""),
            let initiator = event.string(after: "\"initiator\":\"")
        else { throw LoadError("An offer lacks its sender: \(String(decoding: event.prefix(300), as: UTF8.self))") }
        try peer.send(
            self.event(
                "simple-signal[signal]",
                #"{"signal":\#(answer)\#(metadata),"sessionId":"\#(session)","target":"\#(initiator)"}"#
            ),
            poller: poller
        )
    }

    private func complete(_ peer: Peer) throws {
        peer.phase = .joined
        joined += 1
        joinTimes.append(nanoseconds())
        if options.isNative, peer.epoch > 0 { try reportAttached(peer) }
        if options.reportsStatus { reports.add(peer) }
    }

    /// Sends the status reports that are due.
    private func report() throws {
        let status = event("peer-tree[status]", #"{"rate":250000,"children":4,"lag":12.5}"#)
        for (peer, generation) in reports.takeDue() where peer.generation == generation && peer.phase == .joined {
            statusReports += 1
            try peer.send(status, poller: poller)
            reports.add(peer)
        }
    }

    /// A native peer is given another parent: it says that the link is there.
    private func assigned(_ event: UnsafeRawBufferPointer, _ peer: Peer) throws {
        peer.epoch = event.integer(after: "\"epoch\":") ?? peer.epoch
        peer.parent = event.string(after: "\"parent\":\"") ?? ""
        if !peer.parent.isEmpty { try reportAttached(peer) }
    }

    private func reportAttached(_ peer: Peer) throws {
        try peer.send(self.event("peer-tree[attached]", #"{"stripe":0,"epoch":\#(peer.epoch)}"#), poller: poller)
    }

    /// The socket of a neighbour is gone. Only peers that vanish lose theirs here, so the link is dead too.
    private func reportSuspect(_ event: UnsafeRawBufferPointer, _ peer: Peer) throws {
        guard let neighbour = event.string(after: "\"id\":\"") else { return }
        let report =
            neighbour == peer.parent
            ? self.event("peer-tree[orphaned]", #"{"stripe":0,"epoch":\#(peer.epoch),"reason":"silent"}"#)
            : self.event("peer-tree[child-lost]", #"{"id":"\#(neighbour)"}"#)
        try peer.send(report, poller: poller)
    }

    private var announcement: String { options.isNative ? #","peerTree":{"v":2}"# : "" }

    private var metadata: String { options.isNative ? #","metadata":{"peerTree":{"v":2}}"# : #","metadata":null"# }

    private func event(_ name: String, _ payload: String) -> [UInt8] {
        var bytes: [UInt8] = []
        Frames.appendText(Array(#"42["\#(name)",\#(payload)]"#.utf8), to: &bytes)
        return bytes
    }

    private func sendText(_ text: StaticString, _ peer: Peer) throws {
        var bytes: [UInt8] = []
        let payload = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        Frames.appendText(payload, to: &bytes)
        try peer.send(bytes, poller: poller)
    }
}

/// Which peers are to report, by tenths of a second.
private struct ReportCalendar {
    private var entries: [UInt64: [(peer: Peer, generation: Int)]] = [:]
    private var next = tenths()

    private static func tenths() -> UInt64 { nanoseconds() / 100_000_000 }

    mutating func add(_ peer: Peer) {
        entries[Self.tenths() + UInt64(peer.statusInterval) * 10, default: []].append((peer, peer.generation))
    }

    mutating func takeDue() -> [(peer: Peer, generation: Int)] {
        var due: [(peer: Peer, generation: Int)] = []
        let now = Self.tenths()
        while next <= now {
            due += entries.removeValue(forKey: next) ?? []
            next += 1
        }
        return due
    }
}

/// How the crowd behaves.
struct CrowdOptions {
    /// Where peers connect, by turns. At least one.
    var urls: [String]
    /// The tree that is there already.
    var tree: String?
    var peers: Int
    /// Whether peers announce the protocol of this project; else they are those of the original.
    var isNative: Bool
    /// Whether a join includes an offer to the parent and its answer.
    var links: Bool
    /// Whether peers report their status, every 2 s or as the server tells them.
    var reportsStatus: Bool
    /// How many loopback addresses connections come from.
    var sources: Int
}
#endif
