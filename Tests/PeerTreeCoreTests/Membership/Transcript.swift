import PeerTreeCore
import TestSupport

/// Runs a transcript: see `Tests/Transcripts/README.md`.
///
/// What comes out is the transcript again, with the outputs that really followed.
struct Transcript {
    private struct Host {
        let name: String
        var client: Client<TestBuffer, SeededGenerator>
        /// How far the host's time of day is ahead of the true one, in microseconds.
        var ahead: Int64 = 0
    }

    private struct End: Equatable {
        let host: Int
        let link: LinkID
    }

    private struct Frame {
        let to: End
        let bytes: TestBuffer
        let isText: Bool
    }

    private(set) var lines: [String] = []
    private var hosts: [Host] = []
    private var joined: [(End, End)] = []
    private var flying: [Frame] = []
    private var sessions: [String] = []
    private var now = Instant(nanoseconds: 1_000_000_000)

    /// Runs the inputs of a transcript; the outputs written in it are passed over.
    ///
    /// - Throws: ``Mistake`` if a line cannot be read.
    static func run(_ lines: [Substring]) throws -> [String] {
        var transcript = Transcript()
        for line in lines { try transcript.take(String(line)) }
        return transcript.lines
    }

    struct Mistake: Error, CustomStringConvertible {
        let line: String
        var description: String { "not understood: \(line)" }
    }

    private mutating func take(_ line: String) throws {
        let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        if words.count > 1, words[1] == "<" { return }
        lines.append(line)
        switch words.first {
        case nil, "", "#", "==": break
        case "+": pass(.milliseconds(try number(words, 1, line)))
        case "clock": hosts[try host(words, 1, line)].ahead = try signed(words, 2, line) * 1_000
        case "link":
            let one = End(host: try host(words, 1, line), link: LinkID(UInt32(try number(words, 2, line))))
            let other = End(host: try host(words, 3, line), link: LinkID(UInt32(try number(words, 4, line))))
            joined.append((one, other))
        case let name? where words.count > 2 && words[1] == ">":
            guard let host = hosts.firstIndex(where: { $0.name == name }) else { throw Mistake(line: line) }
            try input(words[2], Arguments(words.dropFirst(3)), to: host, line)
        case let name?: hosts.append(Host(name: name, client: try client(words, line)))
        }
    }

    private func client(_ words: [String], _ line: String) throws -> Client<TestBuffer, SeededGenerator> {
        var configuration = ClientConfiguration()
        for index in stride(from: 1, to: words.count, by: 2) {
            if words[index] == "identity", words.indices.contains(index + 1) {
                configuration.membership.identity = Text(Array(words[index + 1].utf8)).unhexed.flatMap { SourceKey($0) }
                continue
            }
            let value = try number(words, index + 1, line)
            switch words[index] {
            case "capacity": configuration.membership.capacity = UInt16(clamping: value)
            case "stripes": configuration.peer.stripes = UInt8(clamping: value)
            case "encrypted": configuration.membership.isEncrypted = value != 0
            case "reports": configuration.membership.statusInterval = value == 0 ? nil : .milliseconds(value)
            default: throw Mistake(line: line)
            }
        }
        let random = SeededGenerator(seed: UInt64(hosts.count + 1))
        return Client(configuration, random: random, unixMicroseconds: unixMicroseconds(), at: now)
    }

    private func host(_ words: [String], _ index: Int, _ line: String) throws -> Int {
        guard words.indices.contains(index), let host = hosts.firstIndex(where: { $0.name == words[index] }) else {
            throw Mistake(line: line)
        }
        return host
    }

    private func number(_ words: [String], _ index: Int, _ line: String) throws -> UInt64 {
        UInt64(clamping: try signed(words, index, line))
    }

    private func signed(_ words: [String], _ index: Int, _ line: String) throws -> Int64 {
        guard words.indices.contains(index), let number = Int64(words[index]) else { throw Mistake(line: line) }
        return number
    }

    // MARK: Inputs

    private struct Arguments {
        private var words: ArraySlice<String>

        init(_ words: ArraySlice<String>) { self.words = words }

        mutating func next() -> Text { Text(Array((words.popFirst() ?? "").utf8)) }

        mutating func link() -> LinkID { LinkID(words.popFirst().flatMap { UInt32($0) } ?? 0) }

        func rest() -> Text { Text(Array(words.joined(separator: " ").utf8)) }

        func optional() -> Text? { rest() == "-" ? nil : rest() }
    }

    private mutating func input(_ name: String, _ arguments: Arguments, to host: Int, _ line: String) throws {
        var arguments = Arguments(ArraySlice(named(arguments.rest().string).split(separator: " ").map(String.init)))
        switch name {
        case "enter": feed(.enter(arguments.optional()), to: host)
        case "publish":
            let options = MessageOptions(isText: true, isJoinPoint: true)
            feed(.publish(TestBuffer(bytes: arguments.rest().bytes), options), to: host)
        case "server":
            let event = arguments.next()
            guard let event = ServerEvent(event, arguments.rest()) else { throw Mistake(line: line) }
            feed(.server(event), to: host)
        case "serverUnreachable":
            let isFinal = arguments.next() == "final"
            feed(.serverUnreachable(reason: arguments.rest(), isFinal: isFinal), to: host)
        case "described": feed(.described(arguments.link(), sdp: arguments.rest()), to: host)
        case "candidate": feed(.candidate(arguments.link(), arguments.optional()), to: host)
        case "path":
            let link = arguments.link()
            let states = ["connected": PathState.connected, "disconnected": .disconnected, "failed": .failed]
            guard let state = states[arguments.rest().string] else { throw Mistake(line: line) }
            feed(.path(link, state), to: host)
        case "connectionFailed": feed(.connectionFailed(arguments.link()), to: host)
        case "channelOpened": feed(.channelOpened(arguments.link()), to: host)
        case "channelClosed": feed(.channelClosed(arguments.link()), to: host)
        case "serverNamed": feed(.serverNamed(socket: arguments.next(), host: arguments.rest()), to: host)
        case "signed":
            let (kind, number) = (arguments.next().string, UInt64(arguments.next().string) ?? 0)
            let things: [String: SignedThing] = [
                "block": .block(number), "head": .head, "pulse": .pulse(clock: number), "creation": .creation,
            ]
            guard let thing = things[kind], let signature = arguments.rest().unhexed.flatMap({ Signature($0) }) else {
                throw Mistake(line: line)
            }
            feed(.signed(thing, signature), to: host)
        case "verified":
            let ticket = UInt64(arguments.next().string) ?? 0
            feed(.verified(ticket: ticket, arguments.rest() == "true"), to: host)
        case "sealed":
            guard let bytes = arguments.rest().unhexed else { throw Mistake(line: line) }
            feed(.sealed(TestBuffer(bytes: bytes)), to: host)
        case "opened": feed(.opened(arguments.optional().map { TestBuffer(bytes: $0.bytes) }), to: host)
        case "networkChanged": feed(.networkChanged(isLost: arguments.rest() == "lost"), to: host)
        default:
            let plain: [String: ClientInput<TestBuffer>] = [
                "serverConnected": .serverConnected, "serverLost": .serverLost, "cancelEntering": .cancelEntering,
                "restartPaths": .restartPaths, "finish": .finish, "leave": .leave, "stop": .stop,
            ]
            guard let input = plain[name] else { throw Mistake(line: line) }
            feed(input, to: host)
        }
    }

    // MARK: Time

    private mutating func pass(_ span: TimeSpan) {
        let end = now + span
        while let host = hosts.indices.min(by: { hosts[$0].client.deadline < hosts[$1].client.deadline }),
            hosts[host].client.deadline <= end
        {
            now = max(now, hosts[host].client.deadline)
            feed(.tick(unixMicroseconds: unixMicroseconds(ahead: hosts[host].ahead)), to: host)
        }
        now = end
    }

    private func unixMicroseconds(ahead: Int64 = 0) -> UInt64 {
        let elapsed = Int64(now.nanoseconds / 1_000) - 1_000_000
        return UInt64(1_700_000_000_000_000 + elapsed + ahead)
    }

    // MARK: Outputs

    private mutating func feed(_ input: ClientInput<TestBuffer>, to host: Int) {
        hosts[host].client.handle(input, at: now)
        drain(host)
        while !flying.isEmpty {
            let frame = flying.removeFirst()
            hosts[frame.to.host].client.handle(
                .received(frame.to.link, frame.bytes, isText: frame.isText),
                at: now
            )
            drain(frame.to.host)
        }
    }

    private mutating func drain(_ host: Int) {
        while let output = hosts[host].client.nextOutput() {
            switch output {
            case .send(let link, let frame): send(frame, isText: false, from: End(host: host, link: link))
            case .sendMessage(let link, let message):
                let bytes = TestBuffer(bytes: message.parts.flatMap { $0.bytes })
                send(bytes, isText: message.isText, from: End(host: host, link: link))
            case .askBuffered(let link): hosts[host].client.handle(.buffered(link, 0), at: now)
            default:
                guard let words = output.transcript else { break }
                lines.append("\(hosts[host].name) < \(symbolic(words))")
                guard case .deliver(let message) = output else { break }
                hosts[host].client.handle(.consumed(through: message.lastSequence), at: now)
            }
        }
    }

    private mutating func send(_ frame: TestBuffer, isText: Bool, from end: End) {
        for (one, other) in joined where one == end || other == end {
            flying.append(Frame(to: one == end ? other : one, bytes: frame, isText: isText))
        }
    }

    // MARK: Names

    /// A line with `$n` for the names of sessions.
    private mutating func symbolic(_ words: String) -> String {
        var words = words
        if let match = words.firstMatch(of: /"sessionId":"([0-9a-z]{26})"/), !sessions.contains(String(match.1)) {
            sessions.append(String(match.1))
        }
        for (index, name) in sessions.enumerated() { words = words.replacing(name, with: "$\(index + 1)") }
        return words.replacing(/"rate":[0-9]+/, with: "\"rate\":0")
    }

    /// A line with the names of sessions for `$n`.
    private func named(_ words: String) -> String {
        words.replacing(/\$([0-9]+)/) { match in
            guard let number = Int(match.1), sessions.indices.contains(number - 1) else { return String(match.0) }
            return sessions[number - 1]
        }
    }
}

extension Text {
    fileprivate var string: String { String(decoding: bytes, as: UTF8.self) }
}

extension ClientOutput<TestBuffer> {
    /// The output as a transcript has it; nil if it is left out there.
    fileprivate var transcript: String? {
        switch self {
        case .emit(let event):
            let name = event.name.text.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
            return "emit \(name) \(event.payload.string)"
        case .reconnectServer: return "reconnectServer"
        case .disconnectServer: return "disconnectServer"
        case .connect(let link, let servers): return "connect \(link.rawValue) \(servers?.string ?? "-")"
        case .accept(let link, let offer, let servers):
            return "accept \(link.rawValue) \(servers?.string ?? "-") \(offer.string)"
        case .restart(let link): return "restart \(link.rawValue)"
        case .takeAnswer(let link, let sdp): return "takeAnswer \(link.rawValue) \(sdp.string)"
        case .answer(let link, let offer): return "answer \(link.rawValue) \(offer.string)"
        case .addCandidate(let link, let candidate): return "addCandidate \(link.rawValue) \(candidate.string)"
        case .closeChannel(let link): return "closeChannel \(link.rawValue)"
        case .closeConnection(let link): return "closeConnection \(link.rawValue)"
        case .entered(let tree, let id): return "entered \(tree.string) \(id.string)"
        case .renamed(let id): return "renamed \(id.string)"
        case .entryFailed(let failure): return "entryFailed \(failure.transcript)"
        case .connected: return "connected"
        case .upstream(let id): return "upstream \(id.string)"
        case .downstream(let id): return "downstream \(id.string)"
        case .neighbourGone(let id, let role):
            return "neighbourGone \(id.string) \(role == .parent ? "parent" : "child")"
        case .deliver(let message):
            return "deliver \(String(decoding: message.parts.flatMap { $0.bytes }, as: UTF8.self))"
        case .gap: return "gap"
        case .seal(let seal, let payload): return "seal \(seal.transcript) \(hexadecimal(Array(payload.bytes)))"
        case .open(let seal, let parts): return "open \(seal.transcript) \(hexadecimal(parts.flatMap { $0.bytes }))"
        case .unreadable(let reason): return "unreadable \(reason.code)"
        case .writable: return "writable"
        case .ended(let end): return "ended \(end == .complete ? "complete" : "sourceLost")"
        case .subtreeComplete: return "subtreeComplete"
        case .serverLost: return "serverLost"
        case .serverBack: return "serverBack"
        case .serverGoingAway: return "serverGoingAway"
        case .refused(let code, let message): return "refused \(code.string) \(message.string)"
        case .tree(let json): return "tree \(json.string)"
        case .left: return "left"
        case .sign(let thing, let statement): return "sign \(thing.transcript) \(hexadecimal(statement))"
        case .verify(let ticket, let statement, let signature):
            return "verify \(ticket) \(hexadecimal(statement)) \(hexadecimal(signature.bytes))"
        case .send, .sendMessage, .setLowThreshold, .askBuffered, .askRoundTrip, .status: return nil
        }
    }
}

extension MessageSeal {
    fileprivate var transcript: String {
        [streamID, nonce, authenticated].map { hexadecimal($0) }.joined(separator: " ")
    }
}

extension SignedThing {
    fileprivate var transcript: String {
        switch self {
        case .block(let number): "block \(number)"
        case .head: "head 0"
        case .pulse(let clock): "pulse \(clock)"
        case .creation: "creation 0"
        }
    }
}

extension EntryFailure {
    fileprivate var transcript: String {
        switch self {
        case .unknownTree: "unknownTree"
        case .refused(let code, let message): "refused \(code.string) \(message.string)"
        case .timeout: "timeout"
        case .unreachable(let reason): "unreachable \(reason.string)"
        case .alreadyInTree: "alreadyInTree"
        case .unproven: "unproven"
        case .closed: "closed"
        }
    }
}
