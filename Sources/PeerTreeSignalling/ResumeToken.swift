package import PeerTreeCore

/// What a peer keeps so that it can prove who it was, to this run of the server or, if the key was kept, to a later one.
///
/// As text: base64url (RFC 4648) of the fields below and an HMAC-SHA256 over them. Nobody but the server can read
/// anything into it, since peers pass it back as it is.
package struct ResumeToken: Equatable, Sendable {
    /// The term of the service that gave it out.
    package var term: SlotTerm
    /// Whose it is.
    package var number: UInt64
    /// Unix time in seconds from which it is void.
    package var expiry: UInt32
    package var isSource: Bool
    /// Whether the tree's source encrypts its stream.
    package var isEncrypted: Bool
    /// How the tree's stream is dealt.
    package var layout: StripeLayout
    /// The stripe in which the peer takes children; nil if it takes none, or is the source.
    package var interiorStripe: UInt8?
    /// Slots granted to the peer in that stripe; to a source, children that it serves with the whole stream.
    package var capacity: UInt16
    /// What the tree's source has of those, for when a viewer comes back before it.
    package var sourceCapacity: UInt16
    package var treeID: String
    /// The ids under which others know the peer, the latest last.
    package var ids: [String]

    var slot: Slot { Slot(ofTree: treeID) }

    /// How many children the peer may name in a stripe.
    func slots(in stripe: Int) -> Int {
        isSource ? layout.slots(ofSourceWith: Int(sourceCapacity), in: stripe) : Int(capacity)
    }

    /// Whether an earlier token proves the same. It does so for the whole of its time, whoever has the tree by now.
    func saysTheSame(as earlier: ResumeToken) -> Bool {
        var same = earlier
        (same.term, same.expiry) = (term, expiry)
        return same == self
    }

    private static let version: UInt8 = 2
    private static let purpose = "resume"
    private static let signatureBytes = 32
    /// Room for one with a few ids.
    private static let usualBytes = 192

    /// The token as the peer keeps it.
    func text(signedBy security: SignallingSecurity) -> String {
        let flags: UInt8 = (isSource ? 1 : 0) | (isEncrypted ? 2 : 0) | (layout.parity > 0 ? 4 : 0)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.usualBytes)
        bytes += [Self.version, flags, UInt8(clamping: layout.stripes), interiorStripe ?? .max]
        bytes.append(bigEndian: term.incarnation)
        bytes.append(bigEndian: term.revision)
        bytes.append(bigEndian: number)
        bytes.append(bigEndian: expiry)
        bytes.append(bigEndian: capacity)
        bytes.append(bigEndian: sourceCapacity)
        bytes.append(text: treeID)
        for id in ids { bytes.append(text: id) }
        bytes += security.code(bytes, Self.purpose)
        return Base64URL.encode(bytes)
    }

    /// Reads a token; nil if it was not signed with this key.
    init?(_ text: String, security: SignallingSecurity) {
        guard let all = Base64URL.decode(text), all.count > Self.signatureBytes else { return nil }
        let bytes = Array(all.dropLast(Self.signatureBytes))
        guard security.isCode(all.suffix(Self.signatureBytes), of: bytes, purpose: Self.purpose) else { return nil }
        var reader = ByteReader(bytes: bytes)
        guard reader.integer(UInt8.self) == Self.version, let flags = reader.integer(UInt8.self),
            let stripes = reader.integer(UInt8.self), let interior = reader.integer(UInt8.self),
            let incarnation = reader.integer(Int64.self), let revision = reader.integer(Int64.self),
            let number = reader.integer(UInt64.self),
            let expiry = reader.integer(UInt32.self), let capacity = reader.integer(UInt16.self),
            let sourceCapacity = reader.integer(UInt16.self), let treeID = reader.text()
        else { return nil }
        term = SlotTerm(incarnation: incarnation, revision: revision)
        self.number = number
        self.expiry = expiry
        isSource = flags & 1 != 0
        isEncrypted = flags & 2 != 0
        layout = StripeLayout(stripes: Int(stripes), parity: flags & 4 != 0 ? 1 : 0)
        interiorStripe = interior == .max ? nil : interior
        self.capacity = capacity
        self.sourceCapacity = sourceCapacity
        self.treeID = treeID
        ids = []
        while let id = reader.text() { ids.append(id) }
    }

    package init(
        term: SlotTerm,
        number: UInt64,
        expiry: UInt32,
        isSource: Bool,
        isEncrypted: Bool,
        layout: StripeLayout,
        interiorStripe: UInt8?,
        capacity: UInt16,
        sourceCapacity: UInt16,
        treeID: String,
        ids: [String]
    ) {
        self.term = term
        self.number = number
        self.expiry = expiry
        self.isSource = isSource
        self.isEncrypted = isEncrypted
        self.layout = layout
        self.interiorStripe = interiorStripe
        self.capacity = capacity
        self.sourceCapacity = sourceCapacity
        self.treeID = treeID
        self.ids = ids
    }
}

extension [UInt8] {
    fileprivate mutating func append<Integer: FixedWidthInteger>(bigEndian value: Integer) {
        for shift in stride(from: Integer.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> Integer(shift)))
        }
    }

    /// A length of one byte, then the text. Every text here is a name of at most 128 bytes.
    fileprivate mutating func append(text: String) {
        let bytes = text.utf8.prefix(Int(UInt8.max))
        append(UInt8(bytes.count))
        append(contentsOf: bytes)
    }
}

/// Reads integers and texts off the front of a byte string.
private struct ByteReader {
    private var rest: ArraySlice<UInt8>

    init(bytes: [UInt8]) {
        rest = bytes[...]
    }

    mutating func integer<Integer: FixedWidthInteger>(_: Integer.Type) -> Integer? {
        let size = Integer.bitWidth / 8
        guard rest.count >= size else { return nil }
        defer { rest = rest.dropFirst(size) }
        return rest.prefix(size).reduce(0) { $0 << 8 | Integer(truncatingIfNeeded: $1) }
    }

    mutating func text() -> String? {
        guard let length = integer(UInt8.self), rest.count >= Int(length) else { return nil }
        defer { rest = rest.dropFirst(Int(length)) }
        return String(validating: rest.prefix(Int(length)), as: UTF8.self)
    }
}
