/// What the source says of its stream as a whole, on a link: a head or a pulse, with the source's signature behind it.
package enum SourceFrame: Equatable, Sendable {
    /// ``SourceStatement/head(_:)``.
    case head(SourceHead, Signature)
    /// ``SourceStatement/pulse(_:)``.
    case pulse(SourcePulse, Signature)

    /// The longest of both, in bytes.
    package static let maximumLength = 2 + 41 + 10 * SourcePulse.maximumRetained + Signature.length

    /// The frame's bytes: its type, a zero, what is said, and the signature.
    package func encoded() -> [UInt8] {
        switch self {
        case .head(let head, let signature):
            [FrameType.sourceHead.rawValue, 0] + head.encoded() + signature.bytes
        case .pulse(let pulse, let signature):
            [FrameType.sourcePulse.rawValue, 0] + pulse.encoded() + signature.bytes
        }
    }

    /// Reads a frame.
    ///
    /// - Throws: ``FrameError`` for anything that no conforming sender writes. Whether it is true is another question.
    package static func decode(_ frame: borrowing some FrameBuffer) throws(FrameError) -> SourceFrame {
        // One more than there may be tells that there are too many.
        try decode(frame.withPrefix(maximumLength + 1) { Array($0) })
    }

    /// Reads the bytes of a frame, likewise.
    package static func decode(_ bytes: [UInt8]) throws(FrameError) -> SourceFrame {
        guard bytes.count > 2 + Signature.length else { throw .truncated }
        guard bytes.count <= maximumLength else { throw .oversized }
        guard bytes[1] == 0 else { throw .badValue }
        let said = Array(bytes[2..<bytes.count - Signature.length])
        guard let signature = Signature(Array(bytes.suffix(Signature.length))) else { throw .truncated }
        switch FrameType(rawValue: bytes[0]) {
        case .sourceHead: return .head(try SourceHead(decoding: said), signature)
        case .sourcePulse: return .pulse(try SourcePulse(decoding: said), signature)
        default: throw .unknownType
        }
    }

    /// What the signature is over.
    package var statement: SourceStatement {
        switch self {
        case .head(let head, _): .head(head)
        case .pulse(let pulse, _): .pulse(pulse)
        }
    }

    /// The source's.
    package var signature: Signature {
        switch self {
        case .head(_, let signature), .pulse(_, let signature): signature
        }
    }
}
