import NIOCore

/// 128 random bits that name one run of a node's process, or one session between two of them. Nobody can guess it.
package struct LinkID: Hashable, Sendable, CustomStringConvertible {
    let high: UInt64
    let low: UInt64

    static let length = 16

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(using random: inout some RandomNumberGenerator) {
        self.init(high: random.next(), low: random.next())
    }

    /// The beginning, as hexadecimal digits: enough for a log.
    package var description: String { String(high >> 32, radix: 16) }
}

extension ByteBuffer {
    mutating func readLinkID() -> LinkID? {
        guard let (high, low) = readMultipleIntegers(as: (UInt64, UInt64).self) else { return nil }
        return LinkID(high: high, low: low)
    }

    mutating func writeLinkID(_ id: LinkID) {
        writeMultipleIntegers(id.high, id.low)
    }
}

/// One connection between two nodes; chosen by whoever owns the sockets, never used twice.
package struct ConnectionID: Hashable, Sendable {
    package let number: UInt64

    package init(_ number: UInt64) { self.number = number }
}
