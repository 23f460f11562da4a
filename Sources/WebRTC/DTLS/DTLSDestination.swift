/// Where DTLS goes, and how much of it may go there.
///
/// A request with valid integrity proves who sends it, not where from: a peer can put somebody else's address on it, and
/// one such datagram would have a handshake's flights sent there again and again. So until the peer has answered a
/// question that was sent to the address, at most three times as much goes there as came from there (the rule of
/// RFC 9000 section 8.1).
struct DTLSDestination {
    let address: TransportAddress
    let base: Int
    /// Bytes that may still be sent; nil once the address is proved.
    private var allowance: Int?
    /// What there was no allowance for, oldest first.
    private var held: [[UInt8]] = []

    /// How many bytes each byte that came pays for.
    static let amplification = 3
    /// Datagrams of a flight that are kept; a later one is sent again by DTLS itself.
    private static let maximumHeld = 8

    private init(_ address: TransportAddress, base: Int, allowance: Int?) {
        self.address = address
        self.base = base
        self.allowance = allowance
    }

    /// An address that has answered a check.
    static func proved(_ address: TransportAddress, base: Int) -> DTLSDestination {
        DTLSDestination(address, base: base, allowance: nil)
    }

    /// An address from which so many bytes came.
    static func unproved(_ address: TransportAddress, base: Int, received bytes: Int) -> DTLSDestination {
        DTLSDestination(address, base: base, allowance: bytes * Self.amplification)
    }

    var isProved: Bool { self.allowance == nil }

    /// So many bytes came from the address. Returns what can be sent now that could not before.
    mutating func received(_ bytes: Int) -> [[UInt8]] {
        guard let allowance = self.allowance else { return [] }
        self.allowance = allowance + min(bytes, 65_536) * Self.amplification
        var released: [[UInt8]] = []
        while let first = self.held.first, self.spend(first.count) { released.append(self.held.removeFirst()) }
        return released
    }

    /// The address has answered. Returns what waited for that.
    mutating func prove() -> [[UInt8]] {
        self.allowance = nil
        defer { self.held = [] }
        return self.held
    }

    /// Whether a datagram may be sent now. Else it is kept, if there is room.
    mutating func admits(_ datagram: UnsafeRawBufferPointer) -> Bool {
        if self.held.isEmpty, self.spend(datagram.count) { return true }
        if self.held.count < Self.maximumHeld { self.held.append(Array(datagram)) }
        return false
    }

    private mutating func spend(_ bytes: Int) -> Bool {
        guard let allowance = self.allowance else { return true }
        guard allowance >= bytes else { return false }
        self.allowance = allowance - bytes
        return true
    }
}
