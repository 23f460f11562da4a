import NIOCore

/// Bounds on Socket.IO packets taken from the network.
public struct PacketLimits: Sendable, Hashable {
    /// Bounds on a packet's JSON.
    public var json: JSONLimits
    /// How many binary attachments one packet may announce. Default 10, as in the reference implementation.
    public var maximumAttachments: Int
    /// How many bytes the attachments of one packet may have. Default 10,000,000.
    public var maximumAttachmentBytes: Int
    /// How long a namespace's name may be, in bytes. Default 256.
    public var maximumNamespaceLength: Int

    /// The limits, all with their defaults.
    public init(
        json: JSONLimits = JSONLimits(),
        maximumAttachments: Int = 10,
        maximumAttachmentBytes: Int = 10_000_000,
        maximumNamespaceLength: Int = 256
    ) {
        self.json = json
        self.maximumAttachments = maximumAttachments
        self.maximumAttachmentBytes = maximumAttachmentBytes
        self.maximumNamespaceLength = maximumNamespaceLength
    }
}

/// Why a message is not a Socket.IO packet.
package enum SocketIOParseError: Error, Hashable {
    case emptyPacket
    case unknownType(UInt8)
    /// The count of attachments is missing, malformed or above the limit.
    case illegalAttachmentCount
    case illegalNamespace
    case illegalIdentifier
    case illegalJSON(JSONError)
    /// The JSON does not have the shape that the packet's type demands.
    case illegalPayload
    /// Only a server may not send, or a client may not use, this event name.
    case reservedEvent(String)
    /// Text while attachments were awaited.
    case unexpectedText
    /// Bytes that no packet announced.
    case unexpectedBinary
    /// A placeholder names an attachment that does not exist.
    case illegalPlaceholder
    /// The attachments are larger than the limit.
    case attachmentsTooLarge(limit: Int)
}

/// Turns Engine.IO messages into packets, putting binary attachments back in their places.
package struct SocketIOPacketDecoder: Sendable {
    /// A binary packet whose attachments are still coming.
    private struct Partial {
        var namespace: String
        var identifier: Int?
        var isAcknowledgement: Bool
        var payload: JSONValue
        var expected: Int
        var attachments: [ByteBuffer] = []
        var attachedBytes = 0
    }

    private var partial: Partial?

    package init() {}

    /// Whether attachments of a packet are still to come.
    package var isAwaitingAttachments: Bool { partial != nil }

    /// Takes one message; returns the packet that it completes, if it does.
    package mutating func decode(
        _ message: EngineIOMessage,
        limits: PacketLimits
    ) throws(SocketIOParseError) -> SocketIOPacket? {
        switch message {
        case .text(let text): return try decode(text: text, limits: limits)
        case .binary(let bytes): return try decode(attachment: bytes, limits: limits)
        }
    }

    private mutating func decode(
        attachment: ByteBuffer,
        limits: PacketLimits
    ) throws(SocketIOParseError) -> SocketIOPacket? {
        guard var packet = partial else { throw .unexpectedBinary }
        packet.attachedBytes += attachment.readableBytes
        guard packet.attachedBytes <= limits.maximumAttachmentBytes else {
            throw .attachmentsTooLarge(limit: limits.maximumAttachmentBytes)
        }
        packet.attachments.append(attachment)
        guard packet.attachments.count == packet.expected else {
            partial = packet
            return nil
        }
        partial = nil
        return try Self.complete(packet)
    }

    private mutating func decode(
        text: ByteBuffer,
        limits: PacketLimits
    ) throws(SocketIOParseError) -> SocketIOPacket? {
        guard partial == nil else { throw .unexpectedText }
        var text = text
        guard let type = text.readInteger(as: UInt8.self) else { throw .emptyPacket }
        guard (UInt8(ascii: "0")...UInt8(ascii: "6")).contains(type) else { throw .unknownType(type) }
        let isBinary = type == UInt8(ascii: "5") || type == UInt8(ascii: "6")
        let count = isBinary ? try Self.readAttachmentCount(from: &text, limits: limits) : 0
        let (namespace, query) = try Self.readNamespace(from: &text, limits: limits)
        let identifier = try Self.readIdentifier(from: &text)
        let payload = try Self.readPayload(from: text, limits: limits)
        switch type {
        case UInt8(ascii: "0"), UInt8(ascii: "1"), UInt8(ascii: "4"):
            var payload = payload
            if payload == nil, type == UInt8(ascii: "0"), !query.isEmpty {
                payload = .object(try Self.parse(query: query))
            }
            return try Self.control(type: type, namespace: namespace, payload: payload)
        default:
            guard let payload, case .array = payload else { throw .illegalPayload }
            let packet = Partial(
                namespace: namespace,
                identifier: identifier,
                isAcknowledgement: type == UInt8(ascii: "3") || type == UInt8(ascii: "6"),
                payload: payload,
                expected: count
            )
            // Also before attachments come: what cannot become a packet need not wait for them.
            let complete = try Self.complete(packet)
            if count == 0 { return complete }
            partial = packet
            return nil
        }
    }

    private static func control(
        type: UInt8,
        namespace: String,
        payload: JSONValue?
    ) throws(SocketIOParseError) -> SocketIOPacket {
        switch (type, payload) {
        case (UInt8(ascii: "0"), nil): return SocketIOPacket(namespace: namespace, .connect(nil))
        case (UInt8(ascii: "0"), .object(let auth)): return SocketIOPacket(namespace: namespace, .connect(auth))
        case (UInt8(ascii: "1"), nil): return SocketIOPacket(namespace: namespace, .disconnect)
        case (UInt8(ascii: "4"), .some(let error)) where error.objectValue != nil || error.stringValue != nil:
            return SocketIOPacket(namespace: namespace, .connectError(error))
        default: throw .illegalPayload
        }
    }

    private static func complete(_ packet: Partial) throws(SocketIOParseError) -> SocketIOPacket {
        var payload = packet.payload
        if !packet.attachments.isEmpty { payload = try fill(payload, with: packet.attachments) }
        guard let elements = payload.arrayValue else { throw .illegalPayload }
        if packet.isAcknowledgement {
            guard let identifier = packet.identifier else { throw .illegalIdentifier }
            return SocketIOPacket(
                namespace: packet.namespace,
                .acknowledgement(id: identifier, arguments: elements)
            )
        }
        let name: String
        switch elements.first {
        case .string(let string): name = string
        case .number?: name = elements[0].jsonString
        default: throw .illegalPayload
        }
        guard !SocketIOPacket.reservedEvents.contains(name) else { throw .reservedEvent(name) }
        return SocketIOPacket(
            namespace: packet.namespace,
            .event(name: name, arguments: Array(elements.dropFirst()), acknowledgement: packet.identifier)
        )
    }

    /// Replaces placeholders. The recursion is as deep as the parsed JSON, which the parser has bounded.
    private static func fill(
        _ value: JSONValue,
        with attachments: [ByteBuffer]
    ) throws(SocketIOParseError) -> JSONValue {
        switch value {
        case .array(let elements):
            var filled: [JSONValue] = []
            filled.reserveCapacity(elements.count)
            for element in elements { filled.append(try fill(element, with: attachments)) }
            return .array(filled)
        case .object(let object):
            if object["_placeholder"] == .bool(true) {
                guard let number = object["num"]?.intValue, attachments.indices.contains(number) else {
                    throw .illegalPlaceholder
                }
                return JSONValue(attachments[number])
            }
            var filled = JSONObject()
            for member in object { filled[member.key] = try fill(member.value, with: attachments) }
            return .object(filled)
        default: return value
        }
    }

    private static func readAttachmentCount(
        from text: inout ByteBuffer,
        limits: PacketLimits
    ) throws(SocketIOParseError) -> Int {
        guard let count = readDigits(from: &text, atMost: 9), text.readInteger(as: UInt8.self) == UInt8(ascii: "-"),
            count <= limits.maximumAttachments
        else { throw .illegalAttachmentCount }
        return count
    }

    private static func readNamespace(
        from text: inout ByteBuffer,
        limits: PacketLimits
    ) throws(SocketIOParseError) -> (name: String, query: String) {
        guard text.readableBytesView.first == UInt8(ascii: "/") else { return ("/", "") }
        let window = text.readableBytesView.prefix(limits.maximumNamespaceLength + 1)
        let length = window.firstIndex(of: UInt8(ascii: ",")).map { $0 - text.readerIndex } ?? text.readableBytes
        guard length <= limits.maximumNamespaceLength, let name = text.readSlice(length: length) else {
            throw .illegalNamespace
        }
        text.moveReaderIndex(forwardBy: min(1, text.readableBytes))
        // Clients of Engine.IO 3 append a query, in which they authenticate themselves; it is not part of the name.
        let path = name.readableBytesView.prefix { $0 != UInt8(ascii: "?") }
        guard let namespace = String(validating: path, as: UTF8.self),
            let query = String(validating: name.readableBytesView.dropFirst(path.count + 1), as: UTF8.self)
        else { throw .illegalNamespace }
        return (namespace, query)
    }

    private static func parse(query: String) throws(SocketIOParseError) -> JSONObject {
        var object = JSONObject()
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(parts[0], plusIsSpace: true),
                let value = PercentEncoding.decode(parts.count > 1 ? parts[1] : "", plusIsSpace: true)
            else { throw .illegalNamespace }
            object[name] = .string(value)
        }
        return object
    }

    private static func readIdentifier(from text: inout ByteBuffer) throws(SocketIOParseError) -> Int? {
        guard let first = text.readableBytesView.first, first.isDigit else { return nil }
        guard let identifier = readDigits(from: &text, atMost: 15) else { throw .illegalIdentifier }
        return identifier
    }

    /// Reads a run of digits; nil if there is none or it is too long (15 digits stay exact in JavaScript).
    private static func readDigits(from text: inout ByteBuffer, atMost limit: Int) -> Int? {
        let digits = text.readableBytesView.prefix(limit + 1).prefix(while: \.isDigit)
        guard !digits.isEmpty, digits.count <= limit else { return nil }
        text.moveReaderIndex(forwardBy: digits.count)
        return digits.reduce(0) { $0 &* 10 &+ Int($1 & 15) }
    }

    private static func readPayload(
        from text: ByteBuffer,
        limits: PacketLimits
    ) throws(SocketIOParseError) -> JSONValue? {
        guard text.readableBytes > 0 else { return nil }
        do {
            return try JSONValue(parsing: text, limits: limits.json)
        } catch {
            throw .illegalJSON(error)
        }
    }
}

extension UInt8 {
    /// Whether the byte is an ASCII digit.
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
