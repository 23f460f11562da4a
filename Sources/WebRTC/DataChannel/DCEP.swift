import NIOCore

/// Whether and how long a lost message is sent again (RFC 8831 section 6.1).
public enum DataChannelReliability: Hashable, Sendable {
    /// Until it arrives.
    case reliable
    /// At most this many times.
    case maxRetransmits(UInt16)
    /// For at most this many milliseconds.
    case maxPacketLifeTime(UInt16)
}

/// The payload protocol identifiers of data channels (RFC 8831 section 8).
enum PayloadProtocol {
    static let dcep: UInt32 = 50
    static let string: UInt32 = 51
    static let binaryPartial: UInt32 = 52
    static let binary: UInt32 = 53
    static let stringPartial: UInt32 = 54
    static let stringEmpty: UInt32 = 56
    static let binaryEmpty: UInt32 = 57
}

/// A message of the Data Channel Establishment Protocol (RFC 8832 section 5).
enum DCEPMessage: Equatable, Sendable {
    struct Open: Equatable, Sendable {
        var label: String
        var subprotocol: String
        var ordered: Bool
        var reliability: DataChannelReliability
        var priority = DataChannelPriority.low
    }

    case open(Open)
    case acknowledge
}

/// Why a DCEP message was refused.
enum DCEPError: Error, Equatable {
    case truncated
    case unknownType(UInt8)
    case unknownChannelType(UInt8)
    case notUTF8
}

extension DCEPMessage {
    private static let acknowledgeType: UInt8 = 0x02
    private static let openType: UInt8 = 0x03

    /// Decodes one message.
    init(_ bytes: ByteBuffer) throws(DCEPError) {
        var bytes = bytes
        guard let type = bytes.readInteger(as: UInt8.self) else { throw .truncated }
        switch type {
        case Self.acknowledgeType:
            self = .acknowledge
        case Self.openType:
            guard let channelType = bytes.readInteger(as: UInt8.self),
                let priority = bytes.readInteger(as: UInt16.self),
                let parameter = bytes.readInteger(as: UInt32.self),
                let labelLength = bytes.readInteger(as: UInt16.self),
                let protocolLength = bytes.readInteger(as: UInt16.self),
                let label = bytes.readBytes(length: Int(labelLength)),
                let subprotocol = bytes.readBytes(length: Int(protocolLength))
            else { throw .truncated }
            let reliability: DataChannelReliability
            switch channelType & 0x7F {
            case 0: reliability = .reliable
            case 1: reliability = .maxRetransmits(UInt16(clamping: parameter))
            case 2: reliability = .maxPacketLifeTime(UInt16(clamping: parameter))
            default: throw .unknownChannelType(channelType)
            }
            guard let label = String(validating: label, as: UTF8.self),
                let subprotocol = String(validating: subprotocol, as: UTF8.self)
            else { throw .notUTF8 }
            self = .open(
                Open(
                    label: label,
                    subprotocol: subprotocol,
                    ordered: channelType & 0x80 == 0,
                    reliability: reliability,
                    priority: DataChannelPriority(rawValue: priority)
                )
            )
        default:
            throw .unknownType(type)
        }
    }

    /// The message as it travels. Label and protocol are cut at 65,535 bytes; `PeerConnection` refuses longer ones.
    func encoded() -> ByteBuffer {
        switch self {
        case .acknowledge:
            return ByteBuffer(bytes: [Self.acknowledgeType])
        case .open(let open):
            let unordered: UInt8 = open.ordered ? 0 : 0x80
            var buffer = ByteBuffer(bytes: [Self.openType])
            switch open.reliability {
            case .reliable:
                buffer.writeInteger(unordered)
                buffer.writeInteger(open.priority.rawValue)
                buffer.writeInteger(UInt32(0))
            case .maxRetransmits(let count):
                buffer.writeInteger(unordered | 1)
                buffer.writeInteger(open.priority.rawValue)
                buffer.writeInteger(UInt32(count))
            case .maxPacketLifeTime(let milliseconds):
                buffer.writeInteger(unordered | 2)
                buffer.writeInteger(open.priority.rawValue)
                buffer.writeInteger(UInt32(milliseconds))
            }
            let label = open.label.utf8.prefix(65_535)
            let subprotocol = open.subprotocol.utf8.prefix(65_535)
            buffer.writeInteger(UInt16(truncatingIfNeeded: label.count))
            buffer.writeInteger(UInt16(truncatingIfNeeded: subprotocol.count))
            buffer.writeBytes(label)
            buffer.writeBytes(subprotocol)
            return buffer
        }
    }
}
