import NIOCore

/// All that the side that answers an INIT has to remember, handed to the other side to be handed back (RFC 9260 section
/// 5.1.3), so that an INIT costs no memory.
struct StateCookie: Equatable {
    /// What this side had said of itself.
    var local: PeerProfile
    /// What the other side had said.
    var remote: PeerProfile
    /// The tags of the association there was at that time, 0 if there was none (section 5.2.2).
    var localTieTag: UInt32
    var remoteTieTag: UInt32
    /// Nanoseconds on this side's clock.
    var createdAt: UInt64

    /// The cookie with its authentication code in front.
    func sealed(_ authenticate: (UnsafeRawBufferPointer) -> [UInt8]) -> [UInt8] {
        let content = [UInt8](unsafeUninitializedCapacity: Self.length) { buffer, count in
            var writer = PacketWriter(UnsafeMutableRawBufferPointer(buffer))
            writer.write(self.createdAt)
            writer.write(self.localTieTag)
            writer.write(self.remoteTieTag)
            Self.write(self.local, into: &writer)
            Self.write(self.remote, into: &writer)
            count = writer.count
        }
        return content.withUnsafeBytes { authenticate($0) } + content
    }

    enum Flaw: Error {
        case forged
        /// Too old by so many nanoseconds (section 5.2.6); whose it is.
        case stale(by: UInt64, tag: UInt32)
    }

    /// - Throws: `Flaw` unless the cookie was made by this side, no longer ago than `lifetime`.
    init(
        _ bytes: UnsafeRawBufferPointer,
        lifetime: TimeAmount,
        at now: NIODeadline,
        _ authenticate: (UnsafeRawBufferPointer) -> [UInt8]
    ) throws(Flaw) {
        guard bytes.count > Self.length else { throw .forged }
        let content = UnsafeRawBufferPointer(rebasing: bytes.suffix(Self.length))
        guard Self.isEqual(authenticate(content), bytes.dropLast(Self.length)) else { throw .forged }
        self.createdAt = content.number(at: 0)
        self.localTieTag = content.number(at: 8)
        self.remoteTieTag = content.number(at: 12)
        self.local = Self.read(content, at: 16)
        self.remote = Self.read(content, at: 16 + Self.profileLength)
        let age = now.uptimeNanoseconds - min(now.uptimeNanoseconds, self.createdAt)
        let limit = UInt64(max(0, lifetime.nanoseconds))
        guard age <= limit else { throw .stale(by: age - limit, tag: self.remote.tag) }
    }

    init(local: PeerProfile, remote: PeerProfile, localTieTag: UInt32, remoteTieTag: UInt32, at now: NIODeadline) {
        self.local = local
        self.remote = remote
        self.localTieTag = localTieTag
        self.remoteTieTag = remoteTieTag
        self.createdAt = now.uptimeNanoseconds
    }

    private static let profileLength = 24
    private static let length = 16 + 2 * profileLength

    private static func write(_ profile: PeerProfile, into writer: inout PacketWriter) {
        writer.write(profile.tag)
        writer.write(profile.initialTSN)
        writer.write(profile.receiveWindow)
        writer.write(profile.outgoingStreams)
        writer.write(profile.incomingStreams)
        writer.write(UInt16(profile.capabilities.rawValue))
        writer.write(UInt16(profile.acknowledgements == nil ? 0 : 1))
        writer.write(profile.acknowledgements?.packets ?? 0)
        writer.write(profile.acknowledgements?.delay ?? 0)
    }

    private static func read(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> PeerProfile {
        let hasWish: UInt16 = bytes.number(at: offset + 18)
        return PeerProfile(
            tag: bytes.number(at: offset),
            initialTSN: bytes.number(at: offset + 4),
            receiveWindow: bytes.number(at: offset + 8),
            outgoingStreams: bytes.number(at: offset + 12),
            incomingStreams: bytes.number(at: offset + 14),
            capabilities: .init(rawValue: UInt8(truncatingIfNeeded: bytes.number(at: offset + 16) as UInt16)),
            acknowledgements: hasWish == 0
                ? nil : .init(packets: bytes.number(at: offset + 20), delay: bytes.number(at: offset + 22))
        )
    }

    /// In a time that does not depend on where they differ.
    private static func isEqual(_ code: [UInt8], _ other: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard code.count == other.count, !code.isEmpty else { return false }
        return zip(code, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
