/// Who may be a child of this peer, and for which stripe, by the word of the server.
///
/// The server names every child to its parent before the child learns of that parent. A server that names nobody (an
/// original one) leaves ``slots`` nil: then whoever comes is a child, within the limits of ``PeerConfiguration``.
struct Admissions {
    private struct Place {
        let child: RemoteID
        let stripe: UInt8
        /// When a child that has another parent now is cut off; nil while it is a child.
        var end: Instant?
        /// This peer only stands by for it.
        var isWard = false
        /// A ward that turned to this peer, and is fed without a slot until the server has found one.
        var isDrawn = false

        var isChild: Bool { end == nil && !isWard }
    }

    /// How many children there may be, each counted once per stripe; nil if the server names nobody.
    private(set) var slots: Int?
    /// How many hops this peer is below the source.
    private(set) var depth: UInt32 = 0
    /// In the order in which the server spoke of them last.
    private var places: [Place] = []

    /// The server said how many children there may be, or that it names nobody, and where this peer is.
    mutating func place(slots: Int?, depth: UInt32) {
        self.slots = slots
        self.depth = depth
    }

    /// A child may come. Should there be more than slots, the one of whom the server has not spoken for the longest time
    /// has gone without a word: it counts as released.
    mutating func admit(_ child: RemoteID, _ stripe: UInt8, displacedEnd end: Instant) {
        places.removeAll { $0.child == child && $0.stripe == stripe }
        places.append(Place(child: child, stripe: stripe))
        guard let slots, places.count(where: { $0.isChild }) > slots,
            let oldest = places.first(where: { $0.isChild })
        else { return }
        release(oldest.child, oldest.stripe, end: end)
    }

    /// A child has another parent now. It is fed until `end`, so that it need not miss anything while it moves; no more
    /// children are on their way out than there may be altogether.
    mutating func release(_ child: RemoteID, _ stripe: UInt8, end: Instant) {
        places.removeAll { $0.child == child && $0.stripe == stripe }
        places.append(Place(child: child, stripe: stripe, end: end))
        guard let slots, places.count(where: { $0.end != nil }) > max(slots, 1),
            let oldest = places.firstIndex(where: { $0.end != nil })
        else { return }
        places[oldest].end = .zero
    }

    /// Where nobody is named, a child that comes again says by that that it was given back.
    mutating func comesAgain(_ child: RemoteID, _ stripe: UInt8) {
        guard slots == nil else { return }
        places.removeAll { $0.child == child && $0.stripe == stripe }
    }

    /// Whether a child may be fed a stripe.
    func allow(_ child: RemoteID, _ stripe: UInt8) -> Bool {
        slots == nil || places.contains { $0.child == child && $0.stripe == stripe && (!$0.isWard || $0.isDrawn) }
    }

    /// Whether the server has spoken of somebody, and not taken it back for good.
    func isNamed(_ child: RemoteID) -> Bool {
        places.contains { $0.child == child }
    }

    /// Whether somebody may have a link as a child.
    func allow(_ child: RemoteID) -> Bool {
        slots == nil || places.contains { $0.child == child }
    }

    /// Whether somebody is a child by the server's word, be it on its way out.
    func isChild(_ child: RemoteID) -> Bool {
        slots == nil || places.contains { $0.child == child && !$0.isWard }
    }

    // MARK: Wards

    /// So many wards are fed at most beyond the slots.
    static let overdraft = 2
    /// So many are remembered at most.
    private static let maximumWards = 256

    /// This peer stands by for somebody, who may have a link, and is fed nothing before it asks.
    mutating func admitWard(_ ward: RemoteID) {
        guard !places.contains(where: { $0.child == ward && $0.stripe == 0 && $0.isChild }) else { return }
        guard !isWard(ward) else { return }
        places.removeAll { $0.child == ward && $0.stripe == 0 }
        if places.count(where: { $0.isWard }) >= Self.maximumWards,
            let oldest = places.firstIndex(where: { $0.isWard })
        {
            places.remove(at: oldest)
        }
        places.append(Place(child: ward, stripe: 0, isWard: true))
    }

    /// This peer stands by for somebody no more. Who is fed has until `end` to find another.
    mutating func releaseWard(_ ward: RemoteID, end: Instant) {
        guard let index = places.firstIndex(where: { $0.child == ward && $0.isWard }) else { return }
        if places[index].isDrawn { places[index].end = end } else { places.remove(at: index) }
    }

    func isWard(_ ward: RemoteID) -> Bool {
        places.contains { $0.child == ward && $0.isWard }
    }

    /// A ward has lost its parent and asks to be fed: it is, as far as slots are free, and two beyond that.
    mutating func draw(_ ward: RemoteID) {
        guard let slots, let index = places.firstIndex(where: { $0.child == ward && $0.isWard }) else { return }
        places[index].isDrawn = places.count { $0.isChild || ($0.isDrawn && $0.child != ward) } < slots + Self.overdraft
    }

    /// A ward needs to be fed no longer.
    mutating func rest(_ ward: RemoteID) {
        guard let index = places.firstIndex(where: { $0.child == ward && $0.isWard }) else { return }
        places[index].isDrawn = false
    }

    // MARK: Time

    /// When the next one's time to move is over.
    var deadline: Instant {
        places.reduce(.distantFuture) { min($0, $1.end ?? .distantFuture) }
    }

    /// Takes out and returns those whose time to move is over.
    mutating func takeExpired(at now: Instant) -> [(child: RemoteID, stripe: UInt8)] {
        guard places.contains(where: { $0.end.map { $0 <= now } == true }) else { return [] }
        let expired = places.filter { $0.end.map { $0 <= now } == true }
        places.removeAll { $0.end.map { $0 <= now } == true }
        return expired.map { ($0.child, $0.stripe) }
    }

    /// How many are remembered.
    var count: Int { places.count }
}
