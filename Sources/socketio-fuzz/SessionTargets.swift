import NIOCore
import SocketIO
import TestSupport

/// A server's session that lives through many inputs, by polling, WebSocket and the change between them.
struct SessionTarget: FuzzTarget {
    static let name = "session"
    static let corpus = Corpus.engine
    private static let mostBuffered = 100_000

    private var session: EngineIOSession?
    private var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var request: UInt64 = 0
    private let parameters = EngineIOSessionParameters(maximumBufferedBytes: mostBuffered)

    init() {}

    mutating func take(_ input: [UInt8], using random: inout SeededGenerator) throws(Finding) {
        var session = session ?? open(using: &random)
        let buffer = ByteBuffer(bytes: input)
        request += 1
        let webSocket = random.next() % 3
        switch random.next() % 12 {
        case 0: session.handle(.poll(request), at: now)
        case 1, 2, 3:
            session.handle(.dataStarted(request), at: now)
            session.handle(.data(request, buffer, isBinary: random.next() % 4 == 0), at: now)
        case 4: session.handle(.webSocketOpened(webSocket), at: now)
        case 5, 6, 7: session.handle(.webSocketFrame(webSocket, .text(buffer)), at: now)
        case 8: session.handle(.webSocketFrame(webSocket, .binary(buffer)), at: now)
        case 9:
            now = now + .milliseconds(Int64(random.next() % 30_000))
            session.handle(.timeout, at: now)
        case 10: session.handle(.send(.binary(buffer)), at: now)
        default: session.handle(.requestAborted(request - 1), at: now)
        }
        var isClosed = false
        while let output = session.nextOutput() {
            try expect(!isClosed || output.isAnswer, "something came after the end: \(output)")
            if case .closed = output { isClosed = true }
        }
        try expect(session.isClosed == (session.deadline == nil), "a session waits for a time exactly while it lives")
        self.session = session.isClosed ? nil : session
    }

    private func open(using random: inout SeededGenerator) -> EngineIOSession {
        EngineIOSession(
            id: "SID",
            opening: random.next() % 2 == 0 ? .poll(request) : .webSocket(random.next() % 3),
            encoding: EngineIOEncoding(
                revision: random.next() % 2 == 0 ? .v3 : .v4,
                supportsBinary: random.next() % 2 == 0
            ),
            parameters: parameters,
            at: now
        )
    }
}

extension EngineIOSession.Output {
    /// Requests are answered and sockets closed also after the end.
    fileprivate var isAnswer: Bool {
        switch self {
        case .respond, .closeWebSocket: true
        default: false
        }
    }
}

/// JSON by itself: what is accepted is printed and read again.
struct JSONTarget: FuzzTarget {
    static let name = "json"
    static let corpus = Corpus.socket.map { Array($0.drop { $0 != UInt8(ascii: "{") && $0 != UInt8(ascii: "[") }) }

    mutating func take(_ input: [UInt8], using random: inout SeededGenerator) throws(Finding) {
        guard let value = try? JSONValue(parsing: ByteBuffer(bytes: input)) else { return }
        let printed = value.jsonString
        let again = try? JSONValue(parsing: printed)
        try expect(again?.jsonString == printed, "\(printed) came back as \(String(describing: again))")
    }
}

/// Forms and addresses.
struct FormTarget: FuzzTarget {
    static let name = "form"
    static let corpus = Corpus.forms

    mutating func take(_ input: [UInt8], using random: inout SeededGenerator) throws(Finding) {
        _ = JSONPolling.payload(ofForm: ByteBuffer(bytes: input))
        let script = JSONPolling.script(
            ByteBuffer(bytes: input),
            callback: JSONPolling.callback(String(decoding: input, as: UTF8.self))
        )
        try expect(String(buffer: script).hasSuffix(");"), "a script without its end")
        if let url = try? SocketIOURL(String(decoding: input, as: UTF8.self)) {
            try expect(!url.host.isEmpty && (1...65535).contains(url.port), "\(url)")
        }
    }
}

/// The frames of a WebSocket and the messages they make; an input is a frame's first byte and payload, which arrive in
/// two pieces, or bytes that need not be a frame at all.
struct WebSocketTarget: FuzzTarget {
    static let name = "frames"
    static let corpus = Corpus.frames
    private static let limit = 2000
    private var reader = WebSocketFrameReader(maximumFrameSize: limit)
    private var assembler = WebSocketMessageAssembler(role: .server, maximumMessageSize: limit)

    init() {}

    mutating func take(_ input: [UInt8], using random: inout SeededGenerator) throws(Finding) {
        let bytes = random.next() % 8 == 0 ? input : Self.frame(input)
        let cut = Int(random.next() % UInt64(bytes.count + 1))
        var messages: [EngineIOFrame] = []
        do throws(WebSocketProtocolError) {
            for piece in [bytes[..<cut], bytes[cut...]] {
                reader.append(ByteBuffer(bytes: piece))
                while let frame = try reader.next() {
                    if case .message(let message)? = try assembler.handle(frame) { messages.append(message) }
                }
            }
        } catch {
            reader = WebSocketFrameReader(maximumFrameSize: Self.limit)
            assembler = WebSocketMessageAssembler(role: .server, maximumMessageSize: Self.limit)
        }
        for message in messages {
            let size =
                switch message {
                case .text(let data), .binary(let data): data.readableBytes
                }
            try expect(size <= Self.limit, "a message of \(size) bytes came through")
        }
    }

    private static func frame(_ input: [UInt8]) -> [UInt8] {
        let payload = input.dropFirst()
        var bytes = [input.first ?? 0x81]
        if payload.count < 126 {
            bytes.append(0x80 | UInt8(payload.count))
        } else {
            bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        }
        let mask: [UInt8] = [1, 2, 3, 4]
        return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 & 3] }
    }
}
