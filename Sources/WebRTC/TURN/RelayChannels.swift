import NIOCore

/// The channels of an allocation, by peer and by number (RFC 8656 section 12).
struct RelayChannels {
    static let numbers: ClosedRange<UInt16> = 0x4000...0x4FFF

    struct Channel {
        var number: UInt16
        var isBound = false
        var renewAt: NIODeadline
        var isUsed = true
    }

    private var channels: [TransportAddress: Channel] = [:]
    private var peers: [UInt16: TransportAddress] = [:]
    /// Numbers that may be used again from a time on.
    private var retired: [(number: UInt16, usableAt: NIODeadline)] = []
    private var next = RelayChannels.numbers.lowerBound

    var count: Int { self.channels.count }
    var isEmpty: Bool { self.channels.isEmpty }
    /// When the first has to be looked at.
    var renewAt: NIODeadline? { self.channels.values.lazy.filter(\.isBound).map(\.renewAt).min() }

    subscript(peer: TransportAddress) -> Channel? { self.channels[peer] }

    /// Whose data it is that comes on a channel; nil when nobody's, or when the server has not confirmed the channel.
    func peer(of number: UInt16) -> TransportAddress? {
        self.peers[number].flatMap { self.channels[$0]?.isBound == true ? $0 : nil }
    }

    /// Gives a peer a number, if there is one left.
    mutating func add(_ peer: TransportAddress, at now: NIODeadline) -> Bool {
        guard let number = self.takeNumber(at: now) else { return false }
        self.channels[peer] = Channel(number: number, renewAt: .distantFuture)
        self.peers[number] = peer
        return true
    }

    private mutating func takeNumber(at now: NIODeadline) -> UInt16? {
        if let index = self.retired.firstIndex(where: { $0.usableAt <= now }) {
            return self.retired.remove(at: index).number
        }
        guard self.next <= Self.numbers.upperBound else { return nil }
        defer { self.next += 1 }
        return self.next
    }

    /// The number for a datagram to this peer. Using a channel is what keeps it alive.
    mutating func use(_ peer: TransportAddress) -> UInt16? {
        guard let channel = self.channels[peer], channel.isBound else { return nil }
        self.channels[peer]?.isUsed = true
        return channel.number
    }

    /// The server has confirmed the channel.
    mutating func bound(_ peer: TransportAddress, renewAt: NIODeadline) {
        self.channels[peer]?.isBound = true
        self.channels[peer]?.renewAt = renewAt
    }

    /// Those to be renewed now; those that were not used since the last time are retired.
    mutating func takeDue(at now: NIODeadline, renewAt: NIODeadline) -> [TransportAddress] {
        let due = self.channels.filter { $0.value.isBound && $0.value.renewAt <= now }
        for (peer, channel) in due {
            if channel.isUsed {
                self.channels[peer]?.isUsed = false
                self.channels[peer]?.renewAt = renewAt
            } else {
                self.retire(peer, at: now)
            }
        }
        return due.filter(\.value.isUsed).map(\.key)
    }

    mutating func retire(_ peer: TransportAddress, at now: NIODeadline) {
        guard let channel = self.channels.removeValue(forKey: peer) else { return }
        self.peers[channel.number] = nil
        // It lives for at most 600 s more at the server, and must rest for 300 s then.
        self.retired.append((channel.number, now + .seconds(900)))
    }
}
