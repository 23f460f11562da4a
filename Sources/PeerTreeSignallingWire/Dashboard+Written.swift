import PeerTreeCore
import PeerTreeSignalling
import SwiftProtobuf

// What dashboards ask and are told.

extension WrittenQuestion {
    init(_ question: DashboardQuestion, about tree: String, of watcher: Int) {
        self.init()
        self.watcher = Int64(clamping: watcher)
        self.tree = tree
        switch question {
        case .watch(let tree): self.question = .watch(.with { $0.tree = tree })
        case .look: self.question = .look(Look())
        case .unwatch: self.question = .unwatch(Unwatch())
        case .shape(let tree): self.question = .shape(.with { $0.tree = tree })
        }
    }
}

extension DashboardQuestion {
    init(_ written: WrittenQuestion, _ reader: WrittenReader) throws(WrittenFormError) {
        switch written.question {
        case .watch(let watch): self = .watch(tree: try reader.name(watch.tree, "Question.Watch.tree"))
        case .look: self = .look
        case .unwatch: self = .unwatch
        case .shape(let shape): self = .shape(tree: try reader.name(shape.tree, "Question.Shape.tree"))
        case nil: throw reader.bad("Question.question", "one that this version knows")
        }
    }
}

extension WrittenAnswer {
    init(_ answer: DashboardAnswer, to watcher: Int) {
        self.init()
        self.watcher = Int64(clamping: watcher)
        switch answer {
        case .watching(let welcome): self.answer = .watching(WrittenDashboardWelcome(welcome))
        case .changes(let changes): self.answer = .changes(WrittenDashboardChanges(changes))
        case .shape(let shape): self.answer = .shape(WrittenTreeShape(shape))
        case .refused(let error): self.answer = .refused(WrittenRefusal(error))
        }
    }
}

extension DashboardAnswer {
    init(_ written: WrittenAnswer, _ reader: WrittenReader) throws(WrittenFormError) {
        switch written.answer {
        case .watching(let welcome): self = .watching(try DashboardWelcome(welcome, reader))
        case .changes(let changes): self = .changes(try DashboardChanges(changes, reader))
        case .shape(let shape): self = .shape(try TreeShape(shape, reader))
        case .refused(let refusal): self = .refused(try SignallingError(refusal, reader))
        case nil: throw reader.bad("Answer.answer", "one that this version knows")
        }
    }
}

extension WrittenDashboardWelcome {
    init(_ welcome: DashboardWelcome) {
        self.init()
        treeID = welcome.treeID
        source = welcome.source
        stripes = UInt64(clamping: welcome.stripes)
        k = UInt64(clamping: welcome.k)
        k1 = UInt64(clamping: welcome.k1)
    }
}

extension DashboardWelcome {
    init(_ written: WrittenDashboardWelcome, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            treeID: try reader.name(written.treeID, "DashboardWelcome.tree_id"),
            source: try reader.label(written.source, "DashboardWelcome.source"),
            stripes: try reader.integer(written.stripes, "DashboardWelcome.stripes", upTo: StripeLayout.most),
            k: try reader.integer(written.k, "DashboardWelcome.k"),
            k1: try reader.integer(written.k1, "DashboardWelcome.k1")
        )
    }
}

// MARK: Parents by stripe

extension WrittenLabelledParent {
    init(_ label: String?) {
        self.init()
        if let label { self.label = label }
    }
}

extension WrittenReader {
    func parents(
        _ written: [WrittenLabelledParent],
        _ field: StaticString
    ) throws(WrittenFormError) -> [String?] {
        try count(written.count, upTo: StripeLayout.most, field)
        return try written.map { parent throws(WrittenFormError) in
            parent.hasLabel ? try label(parent.label, "LabelledParent.label") : nil
        }
    }
}

// MARK: Changes

extension WrittenDashboardChanges {
    init(_ changes: DashboardChanges) {
        self.init()
        sequence = changes.sequence
        peers = changes.peers.map { Peer($0) }
        gone = changes.gone
        isComplete = changes.isComplete
        isOver = changes.isOver
        viewers = UInt64(clamping: changes.viewers)
        activity = WrittenTreeActivity(changes.activity)
    }
}

extension DashboardChanges {
    init(_ written: WrittenDashboardChanges, _ reader: WrittenReader) throws(WrittenFormError) {
        try reader.count(written.peers.count, upTo: Self.maximumPeers, "DashboardChanges.peers")
        try reader.count(written.gone.count, upTo: Self.maximumGone, "DashboardChanges.gone")
        self.init(
            sequence: written.sequence,
            peers: try written.peers.map { peer throws(WrittenFormError) in try Peer(peer, reader) },
            gone: try written.gone.map { label throws(WrittenFormError) in
                try reader.label(label, "DashboardChanges.gone")
            },
            isComplete: written.isComplete,
            isOver: written.isOver,
            viewers: try reader.integer(written.viewers, "DashboardChanges.viewers"),
            activity: TreeActivity(written.activity)
        )
    }
}

extension WrittenDashboardChanges.Peer {
    init(_ peer: DashboardChanges.Peer) {
        self.init()
        label = peer.label
        parents = peer.parents.map { WrittenLabelledParent($0) }
        isAttached = peer.isAttached
        isNative = peer.isNative
        isConnected = peer.isConnected
        report = WrittenPeerReport(peer.report)
    }
}

extension DashboardChanges.Peer {
    init(_ written: WrittenDashboardChanges.Peer, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            label: try reader.label(written.label, "DashboardChanges.Peer.label"),
            parents: try reader.parents(written.parents, "DashboardChanges.Peer.parents"),
            isAttached: written.isAttached,
            isNative: written.isNative,
            isConnected: written.isConnected,
            report: try PeerReport(written.report, reader)
        )
    }
}

extension WrittenPeerReport {
    init(_ report: PeerReport) {
        self.init()
        if let rate = report.rate { self.rate = rate }
        if let lag = report.lag { self.lag = lag }
        if let roundTrip = report.roundTrip { self.roundTrip = roundTrip }
        if let agent = report.agent { self.agent = agent }
    }
}

extension PeerReport {
    init(_ written: WrittenPeerReport, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            rate: written.hasRate ? try reader.measure(written.rate, "PeerReport.rate") : nil,
            lag: written.hasLag ? try reader.measure(written.lag, "PeerReport.lag") : nil,
            roundTrip: written.hasRoundTrip
                ? try reader.measure(written.roundTrip, "PeerReport.round_trip") : nil,
            agent: written.hasAgent ? try reader.agent(written.agent, "PeerReport.agent") : nil
        )
    }
}

extension WrittenTreeActivity {
    init(_ activity: TreeActivity) {
        self.init()
        joins = activity.joins
        leaves = activity.leaves
        repairs = activity.repairs
        moves = activity.moves
        forgeries = activity.forgeries
    }
}

extension TreeActivity {
    init(_ written: WrittenTreeActivity) {
        self.init()
        joins = written.joins
        leaves = written.leaves
        repairs = written.repairs
        moves = written.moves
        forgeries = written.forgeries
    }
}

// MARK: Shapes

extension WrittenTreeShape {
    init(_ shape: TreeShape) {
        self.init()
        source = shape.source
        stripes = UInt64(clamping: shape.stripes)
        parity = UInt64(clamping: shape.parity)
        viewers = UInt64(clamping: shape.viewers)
        depth = UInt64(clamping: shape.depth)
        peers = shape.peers.map { Peer($0) }
    }
}

extension TreeShape {
    init(_ written: WrittenTreeShape, _ reader: WrittenReader) throws(WrittenFormError) {
        try reader.count(
            written.peers.count,
            upTo: reader.options.maximumPeersInSummary,
            "TreeShape.peers"
        )
        self.init(
            source: try reader.label(written.source, "TreeShape.source"),
            stripes: try reader.integer(written.stripes, "TreeShape.stripes", upTo: StripeLayout.most),
            parity: try reader.integer(written.parity, "TreeShape.parity", upTo: 1),
            viewers: try reader.integer(written.viewers, "TreeShape.viewers"),
            depth: try reader.integer(written.depth, "TreeShape.depth"),
            peers: try written.peers.map { peer throws(WrittenFormError) in try Peer(peer, reader) }
        )
    }
}

extension WrittenTreeShape.Peer {
    init(_ peer: TreeShape.Peer) {
        self.init()
        label = peer.label
        parents = peer.parents.map { WrittenLabelledParent($0) }
        depth = UInt64(clamping: peer.depth)
        isNative = peer.isNative
        isConnected = peer.isConnected
    }
}

extension TreeShape.Peer {
    init(_ written: WrittenTreeShape.Peer, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            label: try reader.label(written.label, "TreeShape.Peer.label"),
            parents: try reader.parents(written.parents, "TreeShape.Peer.parents"),
            depth: try reader.integer(written.depth, "TreeShape.Peer.depth"),
            isNative: written.isNative,
            isConnected: written.isConnected
        )
    }
}
