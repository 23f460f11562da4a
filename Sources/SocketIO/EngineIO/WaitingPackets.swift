/// Packets that wait for a transport, with what they cost.
struct WaitingPackets {
    private(set) var bytes = 0
    private var packets: [EngineIOPacket] = []

    var isEmpty: Bool { packets.isEmpty }

    mutating func append(_ packet: EngineIOPacket) {
        packets.append(packet)
        bytes += packet.payloadSize + 1
    }

    /// All of them, to be written now.
    mutating func take() -> [EngineIOPacket] {
        defer { self = WaitingPackets() }
        return packets
    }
}
