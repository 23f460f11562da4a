import PeerTreeCore
import PeerTreeSignalling

// Where peers are, or were.

extension WrittenClaimedPlace {
    init(_ place: ClaimedPlace) {
        self.init()
        parents = place.parents.sorted { $0.key < $1.key }.map { Parent($0.value, stripe: $0.key) }
        children = place.children.map { Neighbour($0) }
    }
}

extension ClaimedPlace {
    init(_ written: WrittenClaimedPlace, _ reader: WrittenReader) throws(WrittenFormError) {
        try reader.count(written.parents.count, upTo: Self.maximumParents, "ClaimedPlace.parents")
        try reader.count(written.children.count, upTo: Self.maximumChildren, "ClaimedPlace.children")
        var parents: [Int: Parent] = [:]
        for parent in written.parents {
            let stripe = try reader.integer(parent.stripe, "ClaimedPlace.Parent.stripe")
            guard parents.updateValue(try Parent(parent, stripe: stripe, reader), forKey: stripe) == nil else {
                throw reader.bad("ClaimedPlace.parents", "at most one in each stripe")
            }
        }
        self.init(
            parents: parents,
            children: try written.children.map { child throws(WrittenFormError) in try Neighbour(child, reader) }
        )
    }
}

extension WrittenClaimedPlace.Parent {
    init(_ parent: ClaimedPlace.Parent, stripe: Int) {
        self.init()
        self.stripe = UInt64(clamping: stripe)
        epoch = parent.epoch
        guard let neighbour = parent.neighbour else { return }
        id = neighbour.id
        if let sessionID = neighbour.sessionID { self.sessionID = sessionID }
        isSource = parent.isSource
    }
}

extension ClaimedPlace.Parent {
    init(_ written: WrittenClaimedPlace.Parent, stripe: Int, _ reader: WrittenReader) throws(WrittenFormError) {
        guard written.hasID else {
            guard !written.hasSessionID else {
                throw reader.bad("ClaimedPlace.Parent.id", "there, for there is a session")
            }
            guard !written.isSource else { throw reader.bad("ClaimedPlace.Parent.id", "there, for it is the source") }
            self.init(neighbour: nil, epoch: written.epoch)
            return
        }
        let sessionID = "ClaimedPlace.Parent.session_id" as StaticString
        self.init(
            neighbour: ClaimedPlace.Neighbour(
                stripe: stripe,
                id: try reader.givenName(written.id, "ClaimedPlace.Parent.id"),
                sessionID: written.hasSessionID ? try reader.name(written.sessionID, sessionID) : nil
            ),
            epoch: written.epoch,
            isSource: written.isSource
        )
    }
}

extension WrittenClaimedPlace.Neighbour {
    init(_ neighbour: ClaimedPlace.Neighbour) {
        self.init()
        stripe = UInt64(clamping: neighbour.stripe)
        id = neighbour.id
        if let sessionID = neighbour.sessionID { self.sessionID = sessionID }
        isWhole = neighbour.isWhole
    }
}

extension ClaimedPlace.Neighbour {
    init(_ written: WrittenClaimedPlace.Neighbour, _ reader: WrittenReader) throws(WrittenFormError) {
        let sessionID = "ClaimedPlace.Neighbour.session_id" as StaticString
        self.init(
            stripe: try reader.integer(written.stripe, "ClaimedPlace.Neighbour.stripe"),
            id: try reader.givenName(written.id, "ClaimedPlace.Neighbour.id"),
            sessionID: written.hasSessionID ? try reader.name(written.sessionID, sessionID) : nil,
            isWhole: written.isWhole
        )
    }
}

// MARK: Tokens

extension WrittenResumeToken {
    init(_ token: ResumeToken) {
        self.init()
        term = WrittenSlotTerm(token.term)
        number = token.number
        expiry = token.expiry
        isSource = token.isSource
        isEncrypted = token.isEncrypted
        stripes = UInt32(clamping: token.layout.stripes)
        parity = UInt32(clamping: token.layout.parity)
        if let interiorStripe = token.interiorStripe { self.interiorStripe = UInt32(interiorStripe) }
        capacity = UInt32(token.capacity)
        sourceCapacity = UInt32(token.sourceCapacity)
        treeID = token.treeID
        ids = token.ids
    }
}

extension ResumeToken {
    /// Ids in one token. Servers put four into it.
    static let maximumIDs = 16

    init(_ written: WrittenResumeToken, _ reader: WrittenReader) throws(WrittenFormError) {
        try reader.count(written.ids.count, upTo: Self.maximumIDs, "ResumeToken.ids")
        self.init(
            term: try SlotTerm(written.term, reader),
            number: try reader.member(written.number, "ResumeToken.number"),
            expiry: written.expiry,
            isSource: written.isSource,
            isEncrypted: written.isEncrypted,
            layout: try StripeLayout(written, reader),
            interiorStripe: written.hasInteriorStripe ? try Self.interiorStripe(written, reader) : nil,
            capacity: try reader.short(written.capacity, "ResumeToken.capacity"),
            sourceCapacity: try reader.short(written.sourceCapacity, "ResumeToken.source_capacity"),
            treeID: try reader.name(written.treeID, "ResumeToken.tree_id"),
            ids: try written.ids.map { id throws(WrittenFormError) in try reader.name(id, "ResumeToken.ids") }
        )
    }

    private static func interiorStripe(
        _ written: WrittenResumeToken,
        _ reader: WrittenReader
    ) throws(WrittenFormError) -> UInt8 {
        guard let stripe = UInt8(exactly: written.interiorStripe), stripe < StripeLayout.most else {
            throw reader.bad("ResumeToken.interior_stripe", "an integer from 0 to \(StripeLayout.most - 1)")
        }
        return stripe
    }
}

extension StripeLayout {
    fileprivate init(_ written: WrittenResumeToken, _ reader: WrittenReader) throws(WrittenFormError) {
        let stripes = try reader.integer(written.stripes, "ResumeToken.stripes", upTo: Self.most)
        let parity = try reader.integer(written.parity, "ResumeToken.parity", upTo: 1)
        self.init(stripes: stripes, parity: parity)
        guard self.stripes == stripes else { throw reader.bad("ResumeToken.stripes", "an integer from 1") }
        guard self.parity == parity else {
            throw reader.bad("ResumeToken.parity", "0, or 1 of at least \(Self.fewestWithParity) stripes")
        }
    }
}
