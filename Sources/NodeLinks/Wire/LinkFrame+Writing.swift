package import NIOCore

extension LinkFrame {
    /// Appends the frame behind its length.
    package func write(to buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        buffer.writeInteger(UInt32(0))
        writeBody(to: &buffer)
        let length = buffer.writerIndex - start - Self.lengthBytes
        buffer.setInteger(UInt32(length), at: start)
    }

    private func writeBody(to buffer: inout ByteBuffer) {
        switch self {
        case .hello(let hello):
            buffer.writeType(.hello)
            buffer.writeImmutableBuffer(hello.written)
        case .proof(let codes):
            buffer.writeType(.proof)
            for code in codes { buffer.writeBytes(code.bytes) }
        case .refuse(let refusal):
            buffer.writeType(.refuse)
            buffer.writeInteger(UInt8(refusal == .superseded ? 1 : 0))
            buffer.writeBytes("\(refusal)".utf8.prefix(LinkRefusal.maximumSaidLength))
        case .attach(let attach):
            buffer.writeType(.attach)
            buffer.writeInteger(attach.attempt)
            buffer.writeLinkID(attach.session)
            buffer.writeInteger(UInt8(attach.isNew ? 1 : 0))
            buffer.writeInteger(attach.received)
        case .attached(.received(let number)):
            buffer.writeType(.attached)
            buffer.writeInteger(UInt8(1))
            buffer.writeInteger(number)
        case .attached(.unknownSession):
            buffer.writeType(.attached)
            buffer.writeInteger(UInt8(0))
        case .data(let number, let payload):
            buffer.writeType(.data)
            buffer.writeInteger(number)
            buffer.writeImmutableBuffer(payload)
        case .acknowledge(let number):
            buffer.writeType(.acknowledge)
            buffer.writeInteger(number)
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func writeType(_ type: FrameType) {
        writeInteger(type.rawValue)
    }
}
