import PeerTreeCore
import SocketIO

// Telling a server that may have been started again where this peer is.

extension PeerDriver {
    /// Who feeds this peer and whom it feeds, by the ids that it knows them by.
    var place: JSONValue {
        var parents: [JSONValue] = []
        var children: [JSONValue] = []
        for place in peer?.places ?? [] {
            var link: JSONObject = ["stripe": JSONValue(place.stripe), "id": .string(remotes.name(place.remote))]
            if let session = sessionOfLink[place.link] { link["session"] = .string(session.id) }
            switch place.role {
            case .parent:
                link["epoch"] = JSONValue(place.epoch)
                parents.append(.object(link))
            case .child:
                children.append(.object(link))
            }
        }
        return ["parents": .array(parents), "children": .array(children)]
    }
}
