import Crypto
import JSON
import PeerTreeCore
import TestSupport
import Testing

@testable import PeerTreeSignalling

/// A source whose socket is gone, and viewers that have its pulse, or say so.
@Suite("Pulses that viewers hand in", .timeLimit(.minutes(5)))
struct SourcePulseTests {
    private struct Scene {
        let owner = TreeOwner()
        var harness = SignallingHarness()
        let viewers = (0..<8).map { "V\($0)" }

        init(isSigned: Bool = true) throws {
            let tree = try harness.createTree("S", isSigned ? owner.proof("S") : [:])
            for viewer in viewers {
                try harness.join(viewer, tree)
                harness.emit(viewer, "peer-tree[attached]", ["stripe": 0, "epoch": 1])
            }
            harness.handle(.disconnected(id: "S"))
            harness.clearInboxes()
        }

        var isOver: Bool { harness.service.trees.isEmpty }

        /// The time by the server's clock, in microseconds.
        var clock: UInt64 { harness.service.tree.unixMicroseconds }

        /// Who has been asked for a pulse since the last time.
        mutating func asked() -> [String] {
            viewers.filter { viewer in harness.take(viewer).contains { $0.event == "peer-tree[pulse]" } }
        }

        func frame(clock: UInt64, by key: TreeOwner) throws -> [UInt8] {
            let pulse = SourcePulse(
                streamID: SignedStreamID(high: 1, low: 2),
                clock: clock,
                extent: SourceExtent(blocks: 1, next: 1),
                retained: []
            )
            let signature = try key.key.signature(for: SourceStatement.pulse(pulse).signedBytes)
            return SourceFrame.pulse(pulse, try #require(Signature(Array(signature)))).encoded()
        }

        /// What the viewer is answered: nothing, or the code of an error.
        @discardableResult
        mutating func handIn(_ frame: [UInt8], _ viewer: String) -> String? {
            let text = JSONValue.string(Text(hexadecimal: frame).string)
            return harness.emit(viewer, "peer-tree[pulse]", ["frame": text]).last?.payload["code"]?.stringValue
        }
    }

    @Test(
        "A tree goes on while a few viewers that are asked now and then have a new pulse, and ends when they have none"
    )
    func keeps() throws {
        var scene = try Scene()
        for _ in 0..<5 {
            scene.harness.wait(.milliseconds(9_999))
            #expect(scene.asked().isEmpty)
            scene.harness.wait(.milliseconds(1))
            let asked = scene.asked()
            #expect((1...3).contains(asked.count))
            let viewer = try #require(asked.last)
            #expect(scene.handIn(try scene.frame(clock: scene.clock - 1_000_000, by: scene.owner), viewer) == nil)
        }
        var asked: Set<String> = []
        for _ in 0..<14 {
            scene.harness.wait(.seconds(1))
            asked.formUnion(scene.asked())
        }
        // Not always the same ones.
        #expect(!scene.isOver && asked.count > 3)
        scene.harness.wait(.seconds(1))
        #expect(scene.isOver)
        #expect(scene.harness.payloads("V0", "peer-tree[end]").map { $0["reason"] } == ["source-lost"])
    }

    enum Useless: CaseIterable {
        case forged
        case old
        case early
        case replayed
        case head
        case cut
        case unasked
    }

    @Test(
        "Nothing else keeps it: not a forged pulse, an old, a future or a known one, nor one of who was not asked",
        arguments: Useless.allCases
    )
    func useless(kind: Useless) throws {
        var scene = try Scene()
        scene.harness.wait(.seconds(10))
        let known = try scene.frame(clock: scene.clock - 1, by: scene.owner)
        scene.handIn(known, try #require(scene.asked().first))
        var rounds = 0
        for second in 1..<15 as Range<UInt64> {
            scene.harness.wait(.seconds(1))
            let asked = scene.asked()
            #expect(!scene.isOver)
            if second >= 10 { rounds += 1 }
            for viewer in kind == .unasked ? scene.viewers.filter({ !asked.contains($0) }) : asked {
                // Who was asked in an earlier round may answer late.
                if kind == .unasked, second >= 10 { continue }
                try refuse(kind, known, viewer, &scene)
            }
        }
        #expect(rounds == 5)
        scene.harness.wait(.seconds(1))
        #expect(scene.isOver)
    }

    private func refuse(_ kind: Useless, _ known: [UInt8], _ viewer: String, _ scene: inout Scene) throws {
        let clock = scene.clock
        switch kind {
        case .forged: #expect(scene.handIn(try scene.frame(clock: clock, by: TreeOwner()), viewer) == nil)
        case .old: #expect(scene.handIn(try scene.frame(clock: clock - 10_000_001, by: scene.owner), viewer) == nil)
        case .early: #expect(scene.handIn(try scene.frame(clock: clock + 10_000_001, by: scene.owner), viewer) == nil)
        case .replayed: #expect(scene.handIn(known, viewer) == nil)
        case .head:
            let head = SourceHead(streamID: SignedStreamID(high: 1, low: 2), startedAt: clock, policy: .live)
            let signature = try scene.owner.key.signature(for: SourceStatement.head(head).signedBytes)
            let frame = SourceFrame.head(head, try #require(Signature(Array(signature)))).encoded()
            #expect(scene.handIn(frame, viewer) == "bad-field")
        case .cut:
            let frame = try scene.frame(clock: clock, by: scene.owner)
            #expect(scene.handIn(Array(frame.dropLast()), viewer) == "bad-field")
        case .unasked: #expect(scene.handIn(try scene.frame(clock: clock, by: scene.owner), viewer) == nil)
        }
    }

    @Test("Who was asked is heard once: a second pulse is not even looked at")
    func once() throws {
        var scene = try Scene()
        scene.harness.wait(.seconds(10))
        let viewer = try #require(scene.asked().first)
        #expect(scene.handIn([1, 2, 3], viewer) == "bad-field")
        #expect(scene.handIn(try scene.frame(clock: scene.clock, by: scene.owner), viewer) == nil)
        scene.harness.wait(.seconds(5))
        #expect(scene.isOver)
    }

    @Test("In a tree that is not signed nobody is asked, nor original clients, nor who has no socket")
    func whoIsAsked() throws {
        var unsigned = try Scene(isSigned: false)
        for _ in 0..<14 {
            unsigned.harness.wait(.seconds(1))
            #expect(unsigned.asked().isEmpty)
        }
        unsigned.harness.wait(.seconds(1))
        #expect(unsigned.isOver)

        var scene = try Scene()
        try scene.harness.joinLegacy("original", scene.owner.tree)
        for viewer in scene.viewers.dropFirst() { scene.harness.handle(.disconnected(id: viewer)) }
        for _ in 0..<14 {
            scene.harness.wait(.seconds(1))
            #expect(scene.asked().allSatisfy { $0 == "V0" })
            #expect(scene.harness.payloads("original", "peer-tree[pulse]").isEmpty)
        }
    }
}
