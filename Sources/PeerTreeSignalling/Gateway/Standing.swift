import JSON
import PeerTreeCore

/// Where a member is, from what it was last told and has said since: should the service of its tree be gone, its gateway
/// tells the next one.
///
/// A state machine without outputs: feed what passes by to ``told(_:_:)`` and ``said(_:_:options:)``.
struct Standing {
    /// What the member could prove, were it to come back by itself.
    var token: ResumeToken
    let isNative: Bool
    /// Whether it has said that it leaves.
    private(set) var isLeaving = false
    /// The program, for dashboards.
    let agent: String?
    /// The key of the tree, if it is signed.
    private(set) var key: SourceKey?
    private var links: [Link] = []

    /// What one end of a link knows of the other.
    private struct Link {
        enum Kind: UInt8 {
            case parent
            case child
            case standby
            case ward
        }

        /// By which the member knows the other end; nil if it has no parent in this stripe for now.
        var id: String?
        /// The signalling session that the link came of.
        var sessionID: String?
        /// Of a parent: the newest that was given.
        var epoch: UInt32 = 0
        let stripe: UInt8
        let kind: Kind
        /// Of a child: whether it gets the whole stream, of which `stripe` is one of several.
        var isWhole = false
        /// Of a parent: whether it is the source, by the depth that was given.
        var isSource = false

        var isUpward: Bool { kind == .parent || kind == .standby }
    }

    /// 1,024 children and twice 64 wards, which is what a source has at most, a parent in each of 16 stripes, and a standby.
    private static let mostLinks = 1_169

    /// - Parameter place: Where a client said it was when it came.
    init(token: ResumeToken, isNative: Bool, agent: String? = nil, place: ClaimedPlace = ClaimedPlace()) {
        self.token = token
        self.isNative = isNative
        self.agent = agent
        for (stripe, parent) in place.parents.sorted(by: { $0.key < $1.key }) where stripe <= Int(UInt8.max) {
            let (id, session) = (parent.neighbour?.id, parent.neighbour?.sessionID)
            let stripe = UInt8(clamping: stripe)
            append(Link(id: id, sessionID: session, epoch: parent.epoch, stripe: stripe, kind: .parent))
        }
        for child in place.children where child.stripe <= Int(UInt8.max) {
            let stripe = UInt8(clamping: child.stripe)
            append(Link(id: child.id, sessionID: child.sessionID, stripe: stripe, kind: .child))
        }
    }

    /// Who feeds the member, and whom it feeds.
    var place: ClaimedPlace {
        var parents: [Int: ClaimedPlace.Parent] = [:]
        var children: [ClaimedPlace.Neighbour] = []
        for link in links {
            let stripe = Int(link.stripe)
            let other = link.id.map {
                ClaimedPlace.Neighbour(stripe: stripe, id: $0, sessionID: link.sessionID, isWhole: link.isWhole)
            }
            switch link.kind {
            case .parent:
                parents[stripe] = ClaimedPlace.Parent(neighbour: other, epoch: link.epoch, isSource: link.isSource)
            case .child: if let other { children.append(other) }
            case .standby, .ward: break
            }
        }
        return ClaimedPlace(parents: parents, children: children)
    }

    // MARK: What it is told

    /// The service of the tree tells the member something; or, if that is an original client, has its gateway note it.
    mutating func told(_ event: SignallingName, _ payload: JSONValue) {
        switch event {
        case .discover: if let data = payload["discoveryData"], data["treeID"] != nil { answered(data) }
        case .assign:
            if let stripe = Self.stripe(payload) {
                setParent(payload["parent"]?.stringValue, stripe, Self.epoch(payload), isSource: payload["depth"] == 1)
            }
        case .standby:
            removeAll { $0.kind == .standby }
            if let id = payload["id"]?.stringValue { add(id, 0, .standby) }
        case .admit: admitted(payload)
        case .childGone:
            guard let id = payload["id"]?.stringValue else { return }
            if payload["kind"] == nil, let stripe = Self.stripe(payload) { remove(id, stripe, .child) }
            if payload["kind"] != nil { remove(id, 0, .ward) }
        case .offer:
            guard let id = payload["initiator"]?.stringValue, let session = payload["sessionId"]?.stringValue else {
                return
            }
            for position in links.indices where !links[position].isUpward && links[position].id == id {
                links[position].sessionID = session
            }
        case .reject: if let session = payload["sessionId"]?.stringValue { end(session) }
        default: break
        }
    }

    /// An answer names all parents that there are.
    private mutating func answered(_ data: JSONValue) {
        guard let native = data["peerTree"] else {
            if let parent = data["peers"]?[0]?.stringValue { setParent(parent, 0, 0) }
            return
        }
        var named: UInt32 = 0
        for parent in native["parents"]?.arrayValue ?? [] {
            guard let stripe = Self.stripe(parent) else { continue }
            setParent(parent["id"]?.stringValue, stripe, Self.epoch(parent), isSource: parent["depth"] == 1)
            named |= 1 << UInt32(stripe)
        }
        removeAll { $0.kind == .parent && named & 1 << UInt32($0.stripe) == 0 }
        if let text = native["key"]?.stringValue { key = Text(text).unhexed.flatMap { SourceKey($0) } }
    }

    private mutating func setParent(_ id: String?, _ stripe: UInt8, _ epoch: UInt32, isSource: Bool = false) {
        let session = id.flatMap { id in links.first { $0.isUpward && $0.id == id }?.sessionID }
        var link = Link(id: id, sessionID: session, epoch: epoch, stripe: stripe, kind: .parent)
        link.isSource = id != nil && isSource
        if let position = links.firstIndex(where: { $0.kind == .parent && $0.stripe == stripe }) {
            links[position] = link
        } else {
            append(link)
        }
        // Being given the standby as parent ends its being one.
        if id != nil { removeAll { $0.kind == .standby && $0.id == id } }
    }

    private mutating func admitted(_ payload: JSONValue) {
        guard let id = payload["id"]?.stringValue else { return }
        if payload["kind"] != nil {
            add(id, 0, .ward)
        } else if let stripe = Self.stripe(payload) {
            add(id, stripe, .child, isWhole: payload["whole"]?.boolValue ?? false)
            remove(id, 0, .ward)
        }
    }

    private mutating func add(_ id: String, _ stripe: UInt8, _ kind: Link.Kind, isWhole: Bool = false) {
        var link = Link(id: id, stripe: stripe, kind: kind, isWhole: isWhole)
        for position in links.indices where links[position].isUpward == link.isUpward && links[position].id == id {
            guard links[position].kind != kind || links[position].stripe != stripe else { return }
            link.sessionID = links[position].sessionID ?? link.sessionID
        }
        append(link)
    }

    private mutating func append(_ link: Link) {
        guard links.count < Self.mostLinks else { return }
        // Most members have few: an array that doubles would be half empty.
        if links.count == links.capacity { links.reserveCapacity(links.count + max(2, links.count / 4)) }
        links.append(link)
    }

    private mutating func remove(_ id: String, _ stripe: UInt8, _ kind: Link.Kind) {
        removeAll { $0.kind == kind && $0.stripe == stripe && $0.id == id }
    }

    /// Mostly there is nothing to remove, and looking costs a tenth of removing.
    private mutating func removeAll(where isGone: (borrowing Link) -> Bool) {
        guard links.indices.contains(where: { isGone(links[$0]) }) else { return }
        links.removeAll { isGone($0) }
    }

    private static func stripe(_ payload: JSONValue) -> UInt8? {
        guard let stripe = payload["stripe"]?.intValue, stripe >= 0, stripe < StripeLayout.most else { return nil }
        return UInt8(stripe)
    }

    private static func epoch(_ payload: JSONValue) -> UInt32 {
        UInt32(clamping: payload["epoch"]?.intValue ?? 0)
    }

    // MARK: What it says

    /// The member says something, which its tree has not heard yet.
    mutating func said(_ event: SignallingName, _ payload: JSONValue?, options: SignallingOptions) {
        switch event {
        case .offer:
            guard let id = payload?["target"]?.stringValue, let session = payload?["sessionId"]?.stringValue,
                session.utf8.count <= options.maximumStringBytes
            else { return }
            for position in links.indices where links[position].isUpward && links[position].id == id {
                links[position].sessionID = session
            }
        case .reject: if let session = payload?["sessionId"]?.stringValue { end(session) }
        case .orphaned, .promoted:
            guard let payload, let stripe = Self.stripe(payload) else { return }
            let epoch = Self.epoch(payload)
            for position in links.indices where links[position].kind == .parent && links[position].stripe == stripe {
                guard links[position].epoch == epoch else { continue }
                links[position].id = nil
                links[position].sessionID = nil
                links[position].isSource = false
            }
        case .childLost:
            guard let id = payload?["id"]?.stringValue else { return }
            removeAll { $0.kind == .child && $0.id == id }
        case .leave: isLeaving = true
        default: break
        }
    }

    private mutating func end(_ session: String) {
        for position in links.indices where links[position].sessionID == session { links[position].sessionID = nil }
    }
}
