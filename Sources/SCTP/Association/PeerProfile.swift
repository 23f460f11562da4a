import NIOCore

/// What one side says of itself in INIT or INIT ACK (RFC 9260 sections 3.3.2 and 3.3.3).
struct PeerProfile: Equatable {
    /// What packets to it have to carry.
    var tag: UInt32
    /// The first number of its DATA chunks.
    var initialTSN: UInt32
    var receiveWindow: UInt32
    var outgoingStreams: UInt16
    var incomingStreams: UInt16
    var capabilities: Capabilities = []
    /// Its wish on acknowledgements, if it is a stack that has one.
    var acknowledgements: AcknowledgementWish?

    /// What it can do beyond RFC 9260.
    struct Capabilities: OptionSet {
        var rawValue: UInt8
        /// RFC 3758.
        static let partialReliability = Capabilities(rawValue: 1)
        /// RFC 8260, with both of its chunks.
        static let interleaving = Capabilities(rawValue: 2)
        /// RFC 6525.
        static let streamReset = Capabilities(rawValue: 4)
        /// RFC 9653, with DTLS as the alternate method.
        static let zeroChecksum = Capabilities(rawValue: 8)
    }

    /// Without the parameters that are younger than RFC 6525.
    var plain: PeerProfile {
        var plain = self
        plain.acknowledgements = nil
        plain.capabilities.remove(.zeroChecksum)
        return plain
    }

    /// What of it an INIT ACK says to somebody whose INIT was `other`: nothing that it has not said itself.
    func understood(by other: PeerProfile) -> PeerProfile {
        var profile = self
        if other.acknowledgements == nil { profile.acknowledgements = nil }
        if !other.capabilities.contains(.zeroChecksum) { profile.capabilities.remove(.zeroChecksum) }
        return profile
    }
}

/// How a stack wants to be acknowledged, and how late it acknowledges itself. A parameter of this project's: its type's
/// highest bits tell everyone else to skip it without a word (RFC 9260 section 3.2.1).
struct AcknowledgementWish: Equatable {
    /// One acknowledgement for so many packets is enough for it.
    var packets: UInt16
    /// It acknowledges within so many milliseconds.
    var delay: UInt16
}

/// Types of the parameters of INIT and INIT ACK.
enum ParameterType {
    static let stateCookie: UInt16 = 7
    static let unrecognized: UInt16 = 8
    /// RFC 9653 section 4.
    static let zeroChecksumAcceptable: UInt16 = 0x8001
    /// RFC 5061 section 4.2.7.
    static let supportedExtensions: UInt16 = 0x8008
    /// `AcknowledgementWish`. Not registered.
    static let acknowledgementWish: UInt16 = 0xBE55
    /// RFC 3758 section 3.1.
    static let forwardTSNSupported: UInt16 = 0xC000
    /// RFC 4820 section 4.
    static let padding: UInt16 = 0x8005

    /// Addresses, cookie preservative, ECN, authentication: understood well enough not to be reported.
    static func isIgnored(_ type: UInt16) -> Bool {
        [5, 6, 9, 11, 12, Self.padding, 0x8000, 0x8002, 0x8003, 0x8004, 0xC006].contains(type)
    }
}

/// An INIT or INIT ACK chunk, taken apart.
struct Initiation {
    var profile: PeerProfile
    /// INIT ACK only.
    var cookie: [UInt8] = []
    /// Parameters to be reported as not understood (RFC 9260 section 3.2.1), whole.
    var unrecognized: [UInt8] = []

    static let fixedLength = 20
    /// Zero checksums are protected by DTLS (RFC 9653 section 8).
    private static let dtlsMethod: UInt32 = 1

    enum Flaw: Error {
        case tooShort
        /// A tag of zero, or no streams (RFC 9260 section 3.3.2: ABORT).
        case invalidValue(String)
    }

    init(_ chunk: Chunk) throws(Flaw) {
        let bytes = chunk.bytes
        guard bytes.count >= Self.fixedLength else { throw .tooShort }
        self.profile = PeerProfile(
            tag: bytes.number(at: 4),
            initialTSN: bytes.number(at: 16),
            receiveWindow: bytes.number(at: 8),
            outgoingStreams: bytes.number(at: 12),
            incomingStreams: bytes.number(at: 14)
        )
        guard self.profile.tag != 0 else { throw .invalidValue("the initiate tag is 0") }
        guard self.profile.outgoingStreams > 0, self.profile.incomingStreams > 0 else {
            throw .invalidValue("there are no streams")
        }
        var parameters = ParameterReader(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(Self.fixedLength)))
        while let parameter = parameters.next() {
            guard self.take(parameter) else { break }
        }
    }

    /// False when nothing that follows is to be looked at.
    private mutating func take(_ parameter: ParameterReader.Parameter) -> Bool {
        let value = parameter.value
        switch parameter.type {
        case ParameterType.stateCookie:
            self.cookie = Array(value)
        case ParameterType.forwardTSNSupported:
            self.profile.capabilities.insert(.partialReliability)
        case ParameterType.supportedExtensions:
            if value.contains(ChunkType.reconfiguration) { self.profile.capabilities.insert(.streamReset) }
            if value.contains(ChunkType.forwardTSN) { self.profile.capabilities.insert(.partialReliability) }
            if value.contains(ChunkType.interleavedData), value.contains(ChunkType.interleavedForwardTSN) {
                self.profile.capabilities.insert(.interleaving)
            }
        case ParameterType.zeroChecksumAcceptable where value.count >= 4:
            if value.number(at: 0) == Self.dtlsMethod { self.profile.capabilities.insert(.zeroChecksum) }
        case ParameterType.acknowledgementWish where value.count >= 4:
            let packets: UInt16 = value.number(at: 0)
            self.profile.acknowledgements = AcknowledgementWish(packets: max(2, packets), delay: value.number(at: 2))
        case let type where ParameterType.isIgnored(type):
            break
        default:
            if parameter.type & 0x4000 != 0, self.unrecognized.count < 512 { self.report(parameter) }
            return parameter.type & 0x8000 != 0
        }
        return true
    }

    private mutating func report(_ parameter: ParameterReader.Parameter) {
        self.unrecognized +=
            [0, 8] + withUnsafeBytes(of: UInt16(truncatingIfNeeded: parameter.bytes.count + 4).bigEndian, Array.init)
        self.unrecognized += parameter.bytes
        while self.unrecognized.count & 3 != 0 { self.unrecognized.append(0) }
    }

    /// Writes the chunk that says `profile`.
    static func write(
        _ profile: PeerProfile,
        type: UInt8,
        cookie: [UInt8] = [],
        unrecognized: [UInt8] = [],
        into writer: inout PacketWriter
    ) {
        writer.beginChunk(type)
        writer.write(profile.tag)
        writer.write(profile.receiveWindow)
        writer.write(profile.outgoingStreams)
        writer.write(profile.incomingStreams)
        writer.write(profile.initialTSN)
        if !cookie.isEmpty { Self.parameter(ParameterType.stateCookie, into: &writer) { $0.write(cookie) } }
        Self.writeExtensions(profile, into: &writer)
        if unrecognized.count <= writer.room { writer.write(unrecognized) }
        writer.endChunk()
    }

    private static func writeExtensions(_ profile: PeerProfile, into writer: inout PacketWriter) {
        if profile.capabilities.contains(.partialReliability) {
            Self.parameter(ParameterType.forwardTSNSupported, into: &writer) { _ in }
        }
        var extensions: [UInt8] = []
        if profile.capabilities.contains(.streamReset) { extensions.append(ChunkType.reconfiguration) }
        if profile.capabilities.contains(.partialReliability) { extensions.append(ChunkType.forwardTSN) }
        if profile.capabilities.contains(.interleaving) {
            extensions += [ChunkType.interleavedData, ChunkType.interleavedForwardTSN]
        }
        if !extensions.isEmpty {
            Self.parameter(ParameterType.supportedExtensions, into: &writer) { $0.write(extensions) }
        }
        if profile.capabilities.contains(.zeroChecksum) {
            Self.parameter(ParameterType.zeroChecksumAcceptable, into: &writer) { $0.write(Self.dtlsMethod) }
        }
        if let wish = profile.acknowledgements {
            Self.parameter(ParameterType.acknowledgementWish, into: &writer) {
                $0.write(wish.packets)
                $0.write(wish.delay)
            }
        }
    }

    private static func parameter(_ type: UInt16, into writer: inout PacketWriter, _ body: (inout PacketWriter) -> Void)
    {
        let start = writer.count
        writer.write(type)
        writer.write(UInt16(0))
        body(&writer)
        writer.endLength(of: start)
    }
}
