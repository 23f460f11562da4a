/// Where the server has put this peer: its parents by stripe, its standby, and the children and wards it may have.
struct AssignedPlace {
    /// One stripe of it.
    struct Stripe {
        var parent: RemoteID?
        /// Of the newest assignment.
        var epoch: UInt32 = 0
    }

    /// A child that the server has announced.
    struct Admission: Equatable {
        let child: RemoteID
        let stripe: UInt8
    }

    /// What the peer was told of its place.
    struct Word: Equatable {
        let slots: Int?
        let depth: UInt32
    }

    var stripes: [Stripe] = []
    /// How many of the stripes carry parity.
    var parity = 0
    /// Who stands by for this peer, should its parent be lost.
    var standby: RemoteID?
    var said: Word?
    private(set) var admissions: [Admission] = []
    /// For whom this peer stands by.
    private(set) var wards: [RemoteID] = []
    /// Assignments that came before the answer that they belong to.
    private(set) var early: [ParentAssignment] = []

    /// 64 children in each of 16 stripes, which is what a source has at most.
    private static let maximumAdmissions = 1_024

    mutating func admit(_ child: RemoteID, _ stripe: UInt8) {
        release(child, stripe)
        if admissions.count >= Self.maximumAdmissions { admissions.removeFirst() }
        admissions.append(Admission(child: child, stripe: stripe))
    }

    mutating func release(_ child: RemoteID, _ stripe: UInt8) {
        admissions.removeAll { $0 == Admission(child: child, stripe: stripe) }
    }

    mutating func admitWard(_ ward: RemoteID) {
        releaseWard(ward)
        if wards.count >= Self.maximumAdmissions { wards.removeFirst() }
        wards.append(ward)
    }

    mutating func releaseWard(_ ward: RemoteID) {
        wards.removeAll { $0 == ward }
    }

    mutating func keep(_ assignment: ParentAssignment) {
        early.removeAll { $0.stripe == assignment.stripe }
        guard early.count < Int(ChunkHeader.maximumStripes) else { return }
        early.append(assignment)
    }

    mutating func takeEarly() -> [ParentAssignment] {
        defer { early.removeAll() }
        return early
    }

    /// Whether the server has named a peer that may come.
    func expects(_ remote: RemoteID) -> Bool {
        wards.contains(remote) || admissions.contains { $0.child == remote }
    }

    func refers(to remote: RemoteID) -> Bool {
        standby == remote || stripes.contains { $0.parent == remote } || expects(remote)
    }
}
