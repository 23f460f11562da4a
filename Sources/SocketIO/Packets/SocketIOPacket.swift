package import NIOCore

/// One Socket.IO 5 packet, its binary attachments in place.
package struct SocketIOPacket: Sendable, Hashable {
    package enum Content: Sendable, Hashable {
        /// `0`: joining a namespace, with the handshake's auth; the server answers with its `sid`.
        case connect(JSONObject?)
        /// `1`
        case disconnect
        /// `2` or `5`; the identifier asks for an acknowledgement.
        case event(name: String, arguments: [JSONValue], acknowledgement: Int?)
        /// `3` or `6`
        case acknowledgement(id: Int, arguments: [JSONValue])
        /// `4`: an object with a `message`, or a bare string.
        case connectError(JSONValue)
    }

    package var namespace: String
    package var content: Content

    package init(namespace: String = "/", _ content: Content) {
        self.namespace = namespace
        self.content = content
    }

    /// Event names that carry a meaning of their own and never travel.
    package static let reservedEvents: Set<String> = [
        "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
    ]
}

/// A packet as it travels: one text message and its attachments, in order.
package struct EncodedPacket: Sendable, Hashable {
    package var text: ByteBuffer
    package var attachments: [ByteBuffer]

    package init(text: ByteBuffer, attachments: [ByteBuffer] = []) {
        self.text = text
        self.attachments = attachments
    }
}

extension SocketIOPacket {
    /// Encodes the packet: `<type>[<attachments>-][<namespace>,][<acknowledgement>][JSON]`.
    package func encode() -> EncodedPacket {
        var text = ByteBuffer()
        switch content {
        case .connect(let auth):
            writeHeader(type: "0", identifier: nil, into: &text)
            if let auth { text.writeBytes(JSONValue.object(auth).jsonBytes) }
        case .disconnect:
            writeHeader(type: "1", identifier: nil, into: &text)
        case .connectError(let error):
            writeHeader(type: "4", identifier: nil, into: &text)
            text.writeBytes(error.jsonBytes)
        case .event(let name, let arguments, let identifier):
            return encode(types: ("2", "5"), identifier: identifier, elements: [.string(name)] + arguments)
        case .acknowledgement(let identifier, let arguments):
            return encode(types: ("3", "6"), identifier: identifier, elements: arguments)
        }
        return EncodedPacket(text: text)
    }

    private func encode(
        types: (plain: StaticString, binary: StaticString),
        identifier: Int?,
        elements: [JSONValue]
    ) -> EncodedPacket {
        var text = ByteBuffer()
        guard elements.contains(where: \.containsBinary) else {
            var serializer = JSONSerializer()
            writeHeader(type: types.plain, identifier: identifier, into: &text)
            serializer.write(elements)
            text.writeBytes(serializer.bytes)
            return EncodedPacket(text: text)
        }
        var serializer = JSONSerializer(collectingAttachments: true)
        serializer.write(elements)
        let attachments = (serializer.attachments ?? []).map { ByteBuffer(bytes: $0) }
        writeHeader(type: types.binary, attachmentCount: attachments.count, identifier: identifier, into: &text)
        text.writeBytes(serializer.bytes)
        return EncodedPacket(text: text, attachments: attachments)
    }

    private func writeHeader(
        type: StaticString,
        attachmentCount: Int? = nil,
        identifier: Int?,
        into text: inout ByteBuffer
    ) {
        text.writeStaticString(type)
        if let attachmentCount { text.writeString("\(attachmentCount)-") }
        if namespace != "/" {
            text.writeString(namespace)
            text.writeInteger(UInt8(ascii: ","))
        }
        if let identifier { text.writeString(String(identifier)) }
    }
}
