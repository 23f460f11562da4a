import JSON
import PeerTreeCore

/// One client that speaks our protocol, as far as its server sees it: it wants to be in a tree, does as it is told, and comes
/// back with what it was given last.
struct WorldClient {
    struct Socket {
        let id: String
        let node: Int
        /// Which life of the node.
        let life: Int
        let part: Int
        /// When what is under way, each way, has arrived.
        var sentUntil = Instant.zero
        var toldUntil = Instant.zero
    }

    enum Standing {
        /// It has no place, or must ask for it anew.
        case nowhere
        case asking(since: Instant)
        case member
    }

    /// Somebody it has a link to, or should have.
    struct Neighbour {
        var id: String
        /// The exchange that set the link up.
        var session: String?
    }

    let audience: Int
    let isSource: Bool
    /// Whether it still wants to be there.
    var isAlive = true
    var socket: Socket?
    var standing = Standing.nowhere
    var token: JSONValue?
    /// The sockets that it had in its place: by these others know it.
    var names: [String] = []
    /// The newest that it has heard of its parent.
    var epoch = 0
    var parent: Neighbour?
    var children: [Neighbour] = []
    /// Why it has lost places.
    var losses: [String] = []

    var isMember: Bool { if case .member = standing { true } else { false } }

    /// Where it says it is when it comes back.
    var place: JSONValue {
        var parents: [JSONValue] = []
        if let parent {
            var claimed: JSONObject = ["stripe": 0, "id": .string(parent.id), "epoch": JSONValue(epoch)]
            if let session = parent.session { claimed["session"] = .string(session) }
            parents.append(.object(claimed))
        }
        let children = children.map { child -> JSONValue in
            var claimed: JSONObject = ["stripe": 0, "id": .string(child.id)]
            if let session = child.session { claimed["session"] = .string(session) }
            return .object(claimed)
        }
        return ["parents": .array(parents), "children": .array(children)]
    }

    /// All that it was told is over.
    mutating func forgetPlace() {
        token = nil
        names = []
        parent = nil
        children = []
        epoch = 0
    }
}
