import NIOCore
import SocketIO
import TestSupport

/// What an input broke.
struct Finding: Error {
    var problem: String
}

/// Something that takes bytes from outside. It must not trap, and what it accepts must keep its meaning.
protocol FuzzTarget {
    init()
    static var name: String { get }
    static var corpus: [[UInt8]] { get }
    mutating func take(_ input: [UInt8], using random: inout SeededGenerator) throws(Finding)
}

func expect(_ condition: Bool, _ problem: @autoclosure () -> String) throws(Finding) {
    guard condition else { throw Finding(problem: problem()) }
}

/// Engine.IO packets and payloads, in every encoding: what is decoded is encoded and decoded again.
struct EngineCodecTarget: FuzzTarget {
    static let name = "engine"
    static let corpus = Corpus.engine
    private static let encodings = [
        EngineIOEncoding.standard, EngineIOEncoding(revision: .v4, supportsBinary: false),
        EngineIOEncoding(revision: .v3), EngineIOEncoding(revision: .v3, supportsBinary: false),
    ]

    mutating func take(_ input: [UInt8], using random: inout SeededGenerator) throws(Finding) {
        let encoding = Self.encodings[Int(random.next() % 4)]
        let buffer = ByteBuffer(bytes: input)
        var packets: [EngineIOPacket] = []
        do throws(EngineIOParseError) {
            var payload = buffer
            while let packet = try encoding.next(of: &payload) { packets.append(packet) }
        } catch {
            // Refused: what came before stands all the same.
        }
        if let packet = try? encoding.packet(of: random.next() % 2 == 0 ? .text(buffer) : .binary(buffer)) {
            packets.append(packet)
        }
        // A separator inside a text is two packets to whoever reads it in a payload.
        guard !packets.isEmpty, encoding.revision == .v3 || !packets.contains(where: \.containsSeparator) else {
            return
        }
        var body = encoding.payload(packets).body
        var again: [EngineIOPacket] = []
        while let packet = try? encoding.next(of: &body) { again.append(packet) }
        try expect(again == packets && body.readableBytes == 0, "\(packets) came back as \(again)")
        for packet in packets {
            let back = try? encoding.packet(of: encoding.frame(packet))
            try expect(back == packet, "\(packet) came back as \(String(describing: back))")
        }
    }
}

extension EngineIOPacket {
    fileprivate var containsSeparator: Bool {
        switch self {
        case .open(let text), .message(.text(let text)): text.readableBytesView.contains(Self.separator)
        default: false
        }
    }
}

/// Socket.IO packets with their attachments: what is decoded is encoded and decoded again.
struct SocketCodecTarget: FuzzTarget {
    static let name = "socket"
    static let corpus = Corpus.socket
    private var decoder = SocketIOPacketDecoder()
    private let limits = PacketLimits()

    init() {}

    mutating func take(_ input: [UInt8], using random: inout SeededGenerator) throws(Finding) {
        let buffer = ByteBuffer(bytes: input)
        let isBinary = decoder.isAwaitingAttachments ? random.next() % 4 != 0 : random.next() % 16 == 0
        var packet: SocketIOPacket?
        do throws(SocketIOParseError) {
            packet = try decoder.decode(isBinary ? .binary(buffer) : .text(buffer), limits: limits)
        } catch {
            decoder = SocketIOPacketDecoder()
        }
        if let packet { try Self.expectRoundTrip(packet, limits) }
    }

    private static func expectRoundTrip(_ packet: SocketIOPacket, _ limits: PacketLimits) throws(Finding) {
        let encoded = packet.encode()
        // Placeholders may name one attachment several times: then there are more of them than could be announced.
        guard encoded.attachments.count <= limits.maximumAttachments, !packet.holdsInfinity else { return }
        var decoder = SocketIOPacketDecoder()
        var again: SocketIOPacket?
        do throws(SocketIOParseError) {
            again = try decoder.decode(.text(encoded.text), limits: limits)
            for attachment in encoded.attachments { again = try decoder.decode(.binary(attachment), limits: limits) }
        } catch {
            throw Finding(problem: "\(packet) was encoded to something that is refused: \(error)")
        }
        try expect(again == packet, "\(packet) came back as \(String(describing: again))")
    }
}

extension SocketIOPacket {
    /// Numbers beyond a double print as null.
    fileprivate var holdsInfinity: Bool {
        switch content {
        case .connect(let auth): JSONValue.object(auth ?? [:]).holdsInfinity
        case .disconnect: false
        case .event(_, let arguments, _), .acknowledgement(_, let arguments): JSONValue.array(arguments).holdsInfinity
        case .connectError(let error): error.holdsInfinity
        }
    }
}

extension JSONValue {
    fileprivate var holdsInfinity: Bool {
        switch self {
        case .number(let number): !number.isFinite
        case .array(let array): array.contains { $0.holdsInfinity }
        case .object(let object): object.contains { $0.value.holdsInfinity }
        default: false
        }
    }
}
