import PeerTreeCore

@testable import PeerTreeSignalling

/// What tests look at, wherever it lives.
extension SignallingService {
    var clients: [String: GatewayClient] { gateway.clients }
    var clientCount: Int { gateway.clientCount }
    var events: [String: UInt64] { gateway.events }
    var refusals: [String: UInt64] { gateway.refusals }
    var addresses: AddressLimits { gateway.addresses }

    var tracker: Tracker { tree.tracker }
    var members: [PeerHandle: Member] { tree.members }
    var memberIDs: [String: PeerHandle] { tree.memberIDs }
    var memberNumbers: [UInt64: PeerHandle] { tree.memberNumbers }
    var trees: [TreeHandle: TreeEntry] { tree.trees }
    var treeIDs: TreeNames { tree.treeIDs }
    var claims: [PeerHandle: RestorationClaim] { tree.restoration.claims }
    var awaitedParents: [String: [PeerHandle]] { tree.restoration.awaitedParents }
    var waitingJoins: WaitingJoins { tree.restoration.waitingJoins }
    var treeCount: Int { tree.treeCount }
    var peerCount: Int { tree.peerCount }
    var trackerStatistics: TrackerStatistics { tree.trackerStatistics }
}
