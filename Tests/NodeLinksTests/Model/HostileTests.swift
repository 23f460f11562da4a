import NIOCore
import NodeLinks
import TestSupport
import Testing

/// Whoever connects to a node without knowing the secret, and nodes that know it and do not keep to the protocol.
@Suite(.timeLimit(.minutes(2)))
struct HostileTests {
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func node(_ name: String, _ seed: UInt64, others: [String]) throws -> LinkNode {
        var random = SeededGenerator(seed: seed)
        let secrets = try LinkSecrets([Array("a secret of the tests".utf8)])
        let identity = LinkIdentity(name: try #require(NodeName(name)), run: LinkID(using: &random), secrets: secrets)
        var node = LinkNode(identity, LinkOptions(), random: random)
        for other in others { node.handle(.add(try #require(NodeName(other))), at: Self.now) }
        return node
    }

    private func outputs(_ node: inout LinkNode) -> [LinkNode.Output] {
        var outputs: [LinkNode.Output] = []
        while let output = node.nextOutput() { outputs.append(output) }
        return outputs
    }

    /// Two nodes with one connection, `change` of whose bytes gets through instead of what was sent.
    private func play(_ seed: UInt64, change: (inout SeededGenerator, ByteBuffer) -> ByteBuffer) throws -> LinkFigures {
        var random = SeededGenerator(seed: seed)
        var nodes = [try node("a", seed, others: ["b"]), try node("b", seed &+ 1, others: ["a"])]
        let (a, b) = (try #require(NodeName("a")), try #require(NodeName("b")))
        let id = ConnectionID(1)
        nodes[0].handle(.dialed(id, b), at: Self.now)
        nodes[1].handle(.accepted(id), at: Self.now)
        nodes[0].handle(.secured(id, LinkCertificates(own: [1], other: [2])), at: Self.now)
        nodes[1].handle(.secured(id, LinkCertificates(own: [2], other: [1])), at: Self.now)
        for _ in 0..<20 {
            for end in 0...1 {
                _ = try? nodes[end].send(ByteBuffer(bytes: random.bytes(20)), to: end == 0 ? b : a, at: Self.now)
                var bytes = ByteBuffer()
                for output in outputs(&nodes[end]) {
                    if case .write(id, let frame) = output { frame.write(to: &bytes) }
                }
                if bytes.readableBytes > 0 { nodes[1 - end].handle(.bytes(id, change(&random, bytes)), at: Self.now) }
            }
        }
        return nodes[1].figures
    }

    @Test("without a change, the two have a session")
    func unchanged() throws {
        #expect(try play(1) { _, bytes in bytes }.sessions == 1)
    }

    @Test("bytes that are changed, left out, doubled or put in harm nobody", arguments: UInt64(0)..<500)
    func mutated(seed: UInt64) throws {
        let figures = try play(seed) { random, bytes in
            var changed = Array(bytes.readableBytesView)
            guard random.next() % 4 == 0, let index = changed.indices.randomElement(using: &random) else {
                return bytes
            }
            switch random.next() % 5 {
            case 0: changed[index] = UInt8(truncatingIfNeeded: random.next())
            case 1: changed[index] ^= 1 << UInt8(random.next() % 8)
            case 2: changed.removeSubrange(index..<min(changed.count, index + Int(random.next() % 20)))
            case 3: changed.insert(contentsOf: changed[index...].prefix(40), at: index)
            default: changed.insert(contentsOf: random.bytes(Int(random.next() % 40)), at: index)
            }
            return ByteBuffer(bytes: changed)
        }
        #expect(figures.connections <= 1 && figures.queuedFrames <= 20)
    }

    @Test("noise before the proof closes the connection", arguments: UInt64(0)..<200)
    func noise(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var node = try node("b", seed, others: ["a"])
        node.handle(.accepted(ConnectionID(1)), at: Self.now)
        node.handle(.secured(ConnectionID(1), LinkCertificates(own: [1], other: [2])), at: Self.now)
        for _ in 0..<20 { node.handle(.bytes(ConnectionID(1), ByteBuffer(bytes: random.bytes(200))), at: Self.now) }
        #expect(node.figures.connections == 0)
    }

    @Test("a flood of connections that prove nothing is turned away, and makes room by itself")
    func flood() throws {
        var node = try node("b", 1, others: ["a"])
        for number in 1...1_000 { node.handle(.accepted(ConnectionID(UInt64(number))), at: Self.now) }
        #expect(node.figures.connections == LinkOptions().maximumUnprovenConnections)
        let closed = outputs(&node).filter { if case .close = $0 { true } else { false } }
        #expect(closed.count == 1_000 - LinkOptions().maximumUnprovenConnections)
        node.handle(.deadlineReached, at: Self.now + LinkOptions().handshakeTimeout)
        #expect(node.figures.connections == 0)
    }

    @Test("long frames before the proof are refused by their length")
    func longFrame() throws {
        var node = try node("b", 1, others: ["a"])
        node.handle(.accepted(ConnectionID(1)), at: Self.now)
        node.handle(.secured(ConnectionID(1), LinkCertificates(own: [1], other: [2])), at: Self.now)
        node.handle(.bytes(ConnectionID(1), ByteBuffer(bytes: [0, 0, 2, 1])), at: Self.now)
        #expect(node.figures.connections == 0)
    }

    @Test("bytes before TLS is established are passed over")
    func early() throws {
        var node = try node("b", 1, others: ["a"])
        node.handle(.accepted(ConnectionID(1)), at: Self.now)
        var bytes = ByteBuffer()
        LinkFrame.acknowledge(1).write(to: &bytes)
        node.handle(.bytes(ConnectionID(1), bytes), at: Self.now)
        #expect(outputs(&node).filter { if case .write = $0 { true } else { false } }.isEmpty)
    }
}
