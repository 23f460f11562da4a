/// Over how many trees a stream is dealt, and how many of them carry the parity of the others.
public struct StripeLayout: Equatable, Sendable {
    /// Trees, 1 to 16.
    public let stripes: Int
    /// Of those, the ones with parity: 0 or 1. Whatever happens to so many of them, a peer has the whole stream.
    public let parity: Int

    /// A stream that is not dealt.
    public static let single = StripeLayout(stripes: 1, parity: 0)

    /// What plays is dealt over five trees, one of them with parity: so nobody waits for a peer that goes, for a quarter more
    /// of what everyone sends.
    public static let ofMedia = StripeLayout(stripes: 5, parity: 1)

    /// The most stripes of a stream.
    public static let most = 16

    /// The fewest stripes of which one can carry the parity of the others: with two it is the same stream twice.
    public static let fewestWithParity = 2

    /// Numbers out of bounds are moved to the nearer one.
    public init(stripes: Int, parity: Int) {
        self.stripes = min(max(stripes, 1), Self.most)
        self.parity = self.stripes < Self.fewestWithParity ? 0 : min(max(parity, 0), 1)
    }

    /// The stripes whose rate is that of the stream itself, and so the slots that one child of the whole stream is worth:
    /// parity costs its receiver an upload and a download more, and takes that from the children it can have.
    public var data: Int { stripes - parity }

    /// The slots that a source with `children` slots for the whole stream has in one of the stripes: as many as in the
    /// others, or one more in the first ones.
    public func slots(ofSourceWith children: Int, in stripe: Int) -> Int {
        let all = children * data
        return all / stripes + (stripe < all % stripes ? 1 : 0)
    }

    /// What a source with `children` slots for the whole stream can deal its stream over, where its viewers have
    /// `childrenPerPeer`: no more stripes than slots, since each begins with a child of the source; and parity only if both
    /// have at least two, since a peer with one could feed nobody the whole stream with parity. Who wanted parity and cannot
    /// have it is better off with a single stripe and standbys: without parity a viewer waits for each of its parents.
    func reduced(toSourceWith children: Int, childrenPerPeer: Int) -> StripeLayout {
        let stripes = min(stripes, children)
        let isAffordable = stripes >= Self.fewestWithParity && childrenPerPeer >= 2
        return parity > 0 && !isAffordable ? .single : StripeLayout(stripes: stripes, parity: parity)
    }
}
