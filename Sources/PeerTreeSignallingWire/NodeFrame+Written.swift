package import PeerTreeSignalling
import SwiftProtobuf

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension NodeFrame {
    /// The frame as it goes over the link.
    package func written() -> [UInt8] { bytes(of: WrittenNodeFrame(self)) }

    /// Reads a frame of another node. The messages in it are read by whom they are for.
    ///
    /// - Parameter bytes: No more than a link takes.
    package init(written bytes: [UInt8], options: SignallingOptions) throws(WrittenFormError) {
        let reader = WrittenReader(options: options)
        let written = try reader.message(WrittenNodeFrame.self, bytes, limit: .max)
        switch written.frame {
        case .greeting(let greeting):
            let version = greeting.hasVersion ? try reader.agent(greeting.version, "Greeting.version") : nil
            self = .greeting(run: greeting.run, version: version)
        case .owned(let owned):
            try reader.count(owned.slots.count, upTo: Slot.count, "OwnedSlots.slots")
            try reader.count(owned.inherited.count, upTo: Slot.count, "OwnedSlots.inherited")
            self = .owned(
                try owned.slots.map { slot throws(WrittenFormError) in try FencingToken(slot, reader) },
                inherited: try owned.inherited.map { slot throws(WrittenFormError) in try FencingToken(slot, reader) }
            )
        case .toTrees(let letters): self = .toTrees(from: letters.gateway, try Self.letters(letters, reader))
        case .toGateway(let letters): self = .toGateway(to: letters.gateway, try Self.letters(letters, reader))
        case .heard(let fence): self = .heard(try FencingToken(fence, reader))
        case .offered(let fence): self = .offered(try FencingToken(fence, reader))
        case .declined(let fence): self = .declined(try FencingToken(fence, reader))
        case .report(let report): self = .report(try NodeReport(report, reader))
        case .snapshot(let head):
            try reader.count(head.gateways.count, upTo: Self.maximumGateways, "SnapshotHead.gateways")
            self = .snapshot(
                try FencingToken(try reader.needed(head.fence, head.hasFence, "SnapshotHead.fence"), reader),
                gateways: try head.gateways.map { name throws(WrittenFormError) in try GatewayName(name, reader) }
            )
        case .piece(let piece):
            let fence = try reader.needed(piece.fence, piece.hasFence, "SnapshotPiece.fence")
            self = .piece(try FencingToken(fence, reader), Array(piece.part))
        case nil: throw reader.bad("NodeFrame.frame", "one that this version knows")
        }
    }

    private static func letters(
        _ written: WrittenLettersToTrees,
        _ reader: WrittenReader
    ) throws(WrittenFormError) -> [LetterToTree] {
        try reader.count(written.letters.count, upTo: maximumLetters, "LettersToTrees.letters")
        return try written.letters.map { letter throws(WrittenFormError) in
            LetterToTree(slot: try Slot(letter.slot, reader), message: Array(letter.message))
        }
    }

    private static func letters(
        _ written: WrittenLettersToGateway,
        _ reader: WrittenReader
    ) throws(WrittenFormError) -> [LetterToGateway] {
        try reader.count(written.letters.count, upTo: maximumLetters, "LettersToGateway.letters")
        return try written.letters.map { letter throws(WrittenFormError) in
            LetterToGateway(fence: try FencingToken(letter.fence, reader), message: Array(letter.message))
        }
    }
}

extension WrittenNodeFrame {
    init(_ frame: NodeFrame) {
        self.init()
        switch frame {
        case .greeting(let run, let version):
            self.frame = .greeting(
                .with {
                    $0.run = run
                    if let version { $0.version = version }
                }
            )
        case .owned(let slots, let inherited):
            self.frame = .owned(
                .with {
                    $0.slots = slots.map { WrittenSlotFence($0) }
                    $0.inherited = inherited.map { WrittenSlotFence($0) }
                }
            )
        case .toTrees(let gateway, let letters):
            self.frame = .toTrees(
                .with {
                    $0.gateway = gateway
                    $0.letters = letters.map { WrittenLettersToTrees.Letter($0) }
                }
            )
        case .toGateway(let gateway, let letters):
            self.frame = .toGateway(
                .with {
                    $0.gateway = gateway
                    $0.letters = letters.map { WrittenLettersToGateway.Letter($0) }
                }
            )
        case .snapshot(let fence, let gateways):
            self.frame = .snapshot(
                .with {
                    $0.fence = WrittenSlotFence(fence)
                    $0.gateways = gateways.map { WrittenGatewayName($0) }
                }
            )
        case .piece(let fence, let part):
            self.frame = .piece(
                .with {
                    $0.fence = WrittenSlotFence(fence)
                    $0.part = Data(part)
                }
            )
        case .heard(let fence): self.frame = .heard(WrittenSlotFence(fence))
        case .offered(let fence): self.frame = .offered(WrittenSlotFence(fence))
        case .declined(let fence): self.frame = .declined(WrittenSlotFence(fence))
        case .report(let report): self.frame = .report(WrittenNodeReport(report))
        }
    }
}

extension WrittenLettersToTrees.Letter {
    init(_ letter: LetterToTree) {
        self.init()
        slot = UInt32(letter.slot.number)
        message = Data(letter.message)
    }
}

extension WrittenLettersToGateway.Letter {
    init(_ letter: LetterToGateway) {
        self.init()
        fence = WrittenSlotFence(letter.fence)
        message = Data(letter.message)
    }
}

// MARK: Gateways

extension WrittenGatewayName {
    init(_ name: GatewayName) {
        self.init()
        number = name.number
        guard let node = name.node else { return }
        self.node = node.name
        run = node.run
    }
}

extension GatewayName {
    init(_ written: WrittenGatewayName, _ reader: WrittenReader) throws(WrittenFormError) {
        let name = try reader.name(written.node, "GatewayName.node")
        self.init(node: name.isEmpty ? nil : (name, written.run), number: written.number)
    }
}

// MARK: Reports

extension WrittenNodeReport {
    init(_ report: NodeReport) {
        self.init()
        clients = report.clients
        trees = report.trees
        peers = report.peers
        isConfirmed = report.isConfirmed
        isLeaving = report.isLeaving
        largest = report.largest.map { WrittenListedTree($0) }
    }
}

extension NodeReport {
    /// Any numbers: who adds them up bounds the sum.
    init(_ written: WrittenNodeReport, _ reader: WrittenReader) throws(WrittenFormError) {
        try reader.count(written.largest.count, upTo: DashboardTree.mostListed, "NodeReport.largest")
        self.init(
            clients: written.clients,
            trees: written.trees,
            peers: written.peers,
            isConfirmed: written.isConfirmed,
            isLeaving: written.isLeaving,
            largest: try written.largest.map { tree throws(WrittenFormError) in try DashboardTree(tree, reader) }
        )
    }
}

extension WrittenListedTree {
    init(_ tree: DashboardTree) {
        self.init()
        id = tree.treeID
        viewers = UInt64(clamping: tree.viewers)
        depth = UInt64(clamping: tree.depth)
    }
}

extension DashboardTree {
    init(_ written: WrittenListedTree, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(
            treeID: try reader.treeID(written.id, "ListedTree.id"),
            viewers: try reader.integer(written.viewers, "ListedTree.viewers"),
            depth: try reader.integer(written.depth, "ListedTree.depth")
        )
    }
}

// MARK: Slots

extension WrittenSlotFence {
    init(_ fence: FencingToken) {
        self.init()
        slot = UInt32(fence.slot.number)
        term = WrittenSlotTerm(fence.term)
    }
}

extension FencingToken {
    init(_ written: WrittenSlotFence, _ reader: WrittenReader) throws(WrittenFormError) {
        self.init(slot: try Slot(written.slot, reader), term: try SlotTerm(written.term, reader))
    }
}

extension Slot {
    init(_ number: UInt32, _ reader: WrittenReader) throws(WrittenFormError) {
        guard number < Slot.count else { throw reader.bad("slot", "an integer from 0 to \(Slot.count - 1)") }
        self.init(number: UInt16(number))
    }
}

extension WrittenSlotTerm {
    init(_ term: SlotTerm) {
        self.init()
        incarnation = UInt64(clamping: term.incarnation)
        revision = UInt64(clamping: term.revision)
    }
}

extension SlotTerm {
    init(_ written: WrittenSlotTerm, _ reader: WrittenReader) throws(WrittenFormError) {
        guard let incarnation = Int64(exactly: written.incarnation), let revision = Int64(exactly: written.revision)
        else { throw reader.bad("SlotTerm", "two integers from 0 to 2^63 - 1") }
        self.init(incarnation: incarnation, revision: revision)
    }
}
