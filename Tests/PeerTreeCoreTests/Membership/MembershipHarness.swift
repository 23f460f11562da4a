import PeerTreeCore
import TestSupport

/// A membership under test, and what it has said so far.
struct MembershipHarness {
    var membership: Membership<SeededGenerator>
    var now = Instant(nanoseconds: 1_000_000_000)

    init(_ configuration: MembershipConfiguration = MembershipConfiguration()) {
        membership = Membership(configuration, random: SeededGenerator(seed: 1))
    }

    /// A viewer of the tree `T`, on a native server.
    static func viewer(_ configuration: MembershipConfiguration = MembershipConfiguration()) -> MembershipHarness {
        var harness = MembershipHarness(configuration)
        harness.feed(.serverConnected)
        harness.feed(.enter("T"))
        harness.feed(.server(answer()))
        return harness
    }

    /// The source of the tree `T`, on a native server.
    static func source(_ configuration: MembershipConfiguration = MembershipConfiguration()) -> MembershipHarness {
        var harness = MembershipHarness(configuration)
        harness.feed(.serverConnected)
        harness.feed(.enter(nil))
        harness.feed(.server(answer(parents: [])))
        return harness
    }

    /// What the server answers to a viewer.
    static func answer(
        _ tree: Text = "T",
        token: Text? = "token",
        parents: [ParentAssignment] = [assignment("P", 1)],
        iceServers: ICEServerAdvice? = nil
    ) -> ServerEvent {
        .discovered(
            .init(
                id: "own",
                treeID: tree,
                peers: [],
                additions: .init(
                    resumeToken: token,
                    stripes: 1,
                    parents: parents,
                    iceServers: iceServers
                )
            )
        )
    }

    static func assignment(_ parent: Text?, _ epoch: UInt32, depth: UInt32 = 1) -> ParentAssignment {
        ParentAssignment(parent: parent, stripe: 0, epoch: epoch, depth: depth)
    }

    /// What follows from an input.
    @discardableResult
    mutating func feed(_ input: MembershipInput) -> [MembershipOutput] {
        membership.handle(input, at: now)
        return drain()
    }

    private mutating func drain() -> [MembershipOutput] {
        var outputs: [MembershipOutput] = []
        while let output = membership.nextOutput() { outputs.append(output) }
        return outputs
    }

    /// Lets time pass, and the deadlines that come with it.
    @discardableResult
    mutating func pass(_ span: TimeSpan) -> [MembershipOutput] {
        let end = now + span
        var outputs: [MembershipOutput] = []
        while membership.deadline <= end {
            now = max(now, membership.deadline)
            outputs += feed(.tick)
        }
        now = end
        return outputs
    }
}

extension [MembershipOutput] {
    /// What is asked of the server.
    var requests: [DiscoverRequest] {
        compactMap { if case .discover(let request) = $0 { request } else { nil } }
    }

    /// What is said to it besides.
    var events: [ClientEvent] {
        compactMap { if case .emit(let event) = $0 { event } else { nil } }
    }

    var assignedParents: [RemoteID] {
        compactMap { if case .assigned(let remote, _, _) = $0 { remote } else { nil } }
    }
}
