import JSON

/// Where a peer says it is, or its gateway does, for a server that does not know: who feeds it, and whom it feeds.
package struct ClaimedPlace: Equatable, Sendable {
    /// A neighbour, by the id that the peer knows it by.
    package struct Neighbour: Equatable, Sendable {
        package let stripe: Int
        package let id: String
        /// The signalling session the link came of, if the peer says so.
        package let sessionID: String?
        /// Whether it is a child that gets the whole stream, of which `stripe` is one of several.
        package let isWhole: Bool

        package init(stripe: Int, id: String, sessionID: String?, isWhole: Bool = false) {
            self.stripe = stripe
            self.id = id
            self.sessionID = sessionID
            self.isWhole = isWhole
        }
    }

    package struct Parent: Equatable, Sendable {
        /// Nil if there is nobody now.
        package let neighbour: Neighbour?
        /// Of the newest assignment.
        package let epoch: UInt32
        /// Whether it is the source, as the service before said to the peer's gateway.
        package let isSource: Bool

        package init(neighbour: Neighbour?, epoch: UInt32, isSource: Bool = false) {
            self.neighbour = neighbour
            self.epoch = epoch
            self.isSource = isSource
        }
    }

    /// At most one per stripe.
    package private(set) var parents: [Int: Parent] = [:]
    package private(set) var children: [Neighbour] = []

    /// Nowhere.
    package init() {}

    package init(parents: [Int: Parent], children: [Neighbour]) {
        self.parents = parents
        self.children = children
    }

    init(_ payload: Payload) throws(SignallingError) {
        for entry in try payload.objects("parents", limit: Self.maximumParents) {
            let neighbour = try Neighbour(entry)
            // Peers do not say who the source is, only their gateways.
            parents[neighbour.stripe] = Parent(neighbour: neighbour, epoch: try entry.epoch())
        }
        for entry in try payload.objects("children", limit: Self.maximumChildren) {
            children.append(try Neighbour(entry))
        }
    }

    /// Leaves out the children that are more than the slots of a stripe: those a peer feeds beyond them, whom it names
    /// last, have turned to it because their parent was lost, and would drive out who was there before.
    mutating func keepChildren(upTo slots: (_ stripe: Int) -> Int) {
        var counts: [Int: Int] = [:]
        children = children.filter {
            counts[$0.stripe, default: 0] += 1
            return counts[$0.stripe, default: 0] <= slots($0.stripe)
        }
    }

    /// One per stripe.
    package static let maximumParents = 16
    /// 64 in each of 16 stripes, which is what a source has at most.
    package static let maximumChildren = 1_024
}

extension ClaimedPlace.Neighbour {
    fileprivate init(_ payload: Payload) throws(SignallingError) {
        stripe = try payload.integer("stripe")
        id = try payload.string("id")
        sessionID = try payload.optionalString("session")
        // Peers do not say so, only their gateways.
        isWhole = false
    }
}
