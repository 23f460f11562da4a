import NIOCore

/// The first thing that a node says: who it is, and what proofs have to be about.
///
/// Versions come first and stay there in every version, so that a node can say to any other which it speaks.
package struct Hello: Hashable, Sendable {
    let versions: LinkVersions
    let name: NodeName
    /// The run of the node's process.
    let run: LinkID
    /// Fresh for every connection.
    let nonce: LinkNonce
    /// All of it as it was sent, fields of later versions included: that is what proofs are about.
    let written: ByteBuffer

    private static let magic: UInt32 = 0x5054_4E4C

    init(versions: LinkVersions, name: NodeName, run: LinkID, nonce: LinkNonce) {
        self.versions = versions
        self.name = name
        self.run = run
        self.nonce = nonce
        var written = ByteBuffer()
        written.writeMultipleIntegers(Self.magic, versions.oldest, versions.newest)
        written.writeLinkID(run)
        written.writeBytes(nonce.bytes)
        written.writeInteger(UInt8(name.description.utf8.count))
        written.writeString(name.description)
        self.written = written
    }

    init(reading bytes: ByteBuffer) throws(LinkViolation) {
        written = bytes.slice()
        var bytes = bytes
        guard let (magic, oldest, newest) = bytes.readMultipleIntegers(as: (UInt32, UInt16, UInt16).self),
            magic == Self.magic, oldest <= newest
        else { throw .malformed("a hello") }
        versions = LinkVersions(oldest: oldest, newest: newest)
        guard let run = bytes.readLinkID(), let nonce = bytes.readBytes(length: LinkNonce.length),
            let length = bytes.readInteger(as: UInt8.self),
            let name = bytes.readString(length: Int(length)).flatMap(NodeName.init)
        else { throw .malformed("a hello") }
        self.run = run
        self.nonce = LinkNonce(bytes: nonce)
        self.name = name
    }
}

/// 32 random bytes.
package struct LinkNonce: Hashable, Sendable {
    let bytes: [UInt8]

    static let length = 32

    init(bytes: [UInt8]) { self.bytes = bytes }

    package init(using random: inout some RandomNumberGenerator) {
        bytes = (0..<Self.length / 8).flatMap { _ in
            let number = random.next()
            return (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        }
    }
}
