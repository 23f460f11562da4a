package import NIOCore

extension LinkFrame {
    /// Reads a frame without its length. What is behind the fields that are known is passed over: later versions may add
    /// some.
    package init(reading bytes: ByteBuffer) throws(LinkViolation) {
        var bytes = bytes
        guard let code = bytes.readInteger(as: UInt8.self) else { throw .empty }
        guard let type = FrameType(rawValue: code) else { throw .unknownType(code) }
        switch type {
        case .hello: self = .hello(try Hello(reading: bytes))
        case .proof: self = .proof(try ProofCode.read(bytes))
        case .refuse:
            let isRoutine = bytes.readInteger(as: UInt8.self) == 1
            self = .refuse(isRoutine ? .superseded : .said(by: bytes.readableBytesView))
        case .attach: self = .attach(try Attach(reading: bytes))
        case .attached: self = .attached(try Attached(reading: bytes))
        case .data:
            guard let number = bytes.readInteger(as: UInt64.self) else { throw .malformed("a numbered frame") }
            self = .data(number, bytes)
        case .acknowledge:
            guard let number = bytes.readInteger(as: UInt64.self) else { throw .malformed("an acknowledgement") }
            self = .acknowledge(number)
        }
    }

    /// What the frame is called in errors.
    var kind: String {
        switch self {
        case .hello: "a hello"
        case .proof: "a proof"
        case .refuse: "a refusal"
        case .attach: "an attach"
        case .attached: "an answer to an attach"
        case .data: "a numbered frame"
        case .acknowledge: "an acknowledgement"
        }
    }
}

extension LinkFrame.Attach {
    fileprivate init(reading bytes: ByteBuffer) throws(LinkViolation) {
        var bytes = bytes
        guard let attempt = bytes.readInteger(as: UInt64.self), let session = bytes.readLinkID(),
            let flag = bytes.readInteger(as: UInt8.self), flag <= 1,
            let received = bytes.readInteger(as: UInt64.self), flag == 0 || received == 0
        else { throw .malformed("an attach") }
        self.init(attempt: attempt, session: session, isNew: flag == 1, received: received)
    }
}

extension LinkFrame.Attached {
    fileprivate init(reading bytes: ByteBuffer) throws(LinkViolation) {
        var bytes = bytes
        switch bytes.readInteger(as: UInt8.self) {
        case 0: self = .unknownSession
        case 1:
            guard let received = bytes.readInteger(as: UInt64.self) else { throw .malformed("an answer to an attach") }
            self = .received(received)
        default: throw .malformed("an answer to an attach")
        }
    }
}
