extension ClientOutput {
    /// What a membership wants of its host as it is; nil where its client has a hand in it.
    init?(_ output: MembershipOutput) {
        switch output {
        case .reconnectServer: self = .reconnectServer
        case .disconnectServer: self = .disconnectServer
        case .connect(let link, let servers): self = .connect(link, iceServers: servers)
        case .accept(let link, let offer, let servers): self = .accept(link, offer: offer, iceServers: servers)
        case .restart(let link): self = .restart(link)
        case .takeAnswer(let link, let sdp): self = .takeAnswer(link, sdp: sdp)
        case .answer(let link, let offer): self = .answer(link, offer: offer)
        case .addCandidate(let link, let candidate): self = .addCandidate(link, candidate)
        case .closeConnection(let link): self = .closeConnection(link)
        case .entered(let tree, let id): self = .entered(tree: tree, id: id)
        case .renamed(let id): self = .renamed(id: id)
        case .entryFailed(let failure): self = .entryFailed(failure)
        case .serverLost: self = .serverLost
        case .serverBack: self = .serverBack
        case .serverGoingAway: self = .serverGoingAway
        case .refused(let code, let message): self = .refused(code: code, message: message)
        case .tree(let summary): self = .tree(summary)
        case .left: self = .left
        case .emit(let event): self = .emit(event)
        case .begin, .assigned, .placed, .admitted, .childReleased, .standby, .wardAdmitted, .wardReleased, .linkOpened,
            .linkRelayed, .linkClosed, .connectFailed, .serverClock, .treeEnded, .handOver, .treeLost, .discover,
            .statusDue, .pulseWanted,
            .closeChannel:
            return nil
        }
    }
}
