/// Which part of a server this is, and of how many. Each has a loop, some of the sockets and some of the trees for itself.
package struct SignallingPart: Sendable {
    /// From 0.
    package let number: Int
    package let count: Int

    /// The only one.
    package static let whole = SignallingPart(0, of: 1)

    package init(_ number: Int, of count: Int) {
        self.number = number
        self.count = max(1, count)
    }

    /// What the gateway here is called.
    var gateway: GatewayID { GatewayID(UInt32(clamping: number)) }

    /// Which part has the trees of a slot.
    func part(of slot: Slot) -> Int { Self.part(of: slot, among: count) }

    package static func part(of slot: Slot, among count: Int) -> Int { Int(slot.number) % count }

    /// Which part has a socket. Ids are random.
    package static func part(ofSocket id: String, of count: Int) -> Int {
        count == 1 ? 0 : Int(Slot(ofTree: id).number) % count
    }
}

/// What one part of a server says to another.
package enum PartMessage: Sendable {
    case toTree(ToTree, by: GatewayID)
    case toGateway(ToGateway, FencingToken)
}

/// What one node says to another.
package enum NodeMessage: Sendable {
    /// For the service that has the tree, by the gateway of this number.
    case toTree(ToTree, from: UInt32)
    /// For the gateway of this number.
    case toGateway(ToGateway, number: UInt32, FencingToken)
}
