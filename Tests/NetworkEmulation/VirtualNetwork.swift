/// Something with ends of a network that lives in virtual time: a state machine in the shape of this project.
public protocol VirtualNode {
    /// What travels.
    associatedtype Datagram
    /// A datagram has come from a node.
    mutating func receive(_ datagram: Datagram, from node: Int, at now: Duration)
    /// The deadline has come.
    mutating func wake(at now: Duration)
    /// When to wake it; nil when nothing is due.
    var deadline: Duration? { get }
    /// The next datagram to be sent: to which node, and its bytes on the wire without the headers of IP and UDP.
    mutating func nextDatagram() -> (datagram: Datagram, size: Int, to: Int)?
}

/// Nodes joined by emulated paths, in virtual time: minutes pass in a moment, and the same seed gives the same run.
///
/// ```swift
/// var network = VirtualNetwork(nodes: [sender, receiver])
/// let up = network.add(NetworkPath(conditions, random: SeededGenerator(seed: 1)))
/// network.connect(0, to: 1, by: up)
/// network.run(until: .seconds(60))
/// ```
public struct VirtualNetwork<Node: VirtualNode> {
    /// The time since the beginning.
    public private(set) var now = Duration.zero
    /// May be fed from outside between two runs: what they then want to send leaves with the next.
    public var nodes: [Node]
    /// Shared by all pairs of nodes that are connected by them.
    public var paths: [NetworkPath<Parcel>] = []
    private var routes: [Route: Int] = [:]

    /// A datagram and whose it is.
    public struct Parcel {
        var datagram: Node.Datagram
        var from: Int
        var to: Int
    }

    private struct Route: Hashable {
        var from: Int
        var to: Int
    }

    /// Nodes that are not connected yet.
    public init(nodes: [Node]) {
        self.nodes = nodes
    }

    /// Adds a path; returns its number.
    public mutating func add(_ path: NetworkPath<Parcel>) -> Int {
        self.paths.append(path)
        return self.paths.count - 1
    }

    /// What one node sends another goes by this path. Several pairs of nodes may share one. What goes by none is lost.
    public mutating func connect(_ from: Int, to: Int, by path: Int) {
        self.routes[Route(from: from, to: to)] = path
    }

    /// Lets time pass until then, or until the condition holds, which is looked at after everything that happens.
    ///
    /// - Returns: whether the condition holds.
    @discardableResult
    public mutating func run(
        until end: Duration,
        condition: (borrowing VirtualNetwork<Node>) -> Bool = { _ in false }
    ) -> Bool {
        self.collect()
        while !condition(self) {
            let due = (self.paths.compactMap(\.deadline) + self.nodes.compactMap(\.deadline)).min()
            guard let due, due <= end else {
                self.now = max(self.now, end)
                return condition(self)
            }
            self.now = max(self.now, due)
            self.deliver()
            for index in self.nodes.indices where self.nodes[index].deadline.map({ $0 <= self.now }) ?? false {
                self.nodes[index].wake(at: self.now)
            }
            self.collect()
        }
        return true
    }

    private mutating func deliver() {
        for index in self.paths.indices {
            while let parcel = self.paths[index].nextOutput(at: self.now) {
                self.nodes[parcel.to].receive(parcel.datagram, from: parcel.from, at: self.now)
            }
        }
    }

    /// What the nodes want to send sets out.
    private mutating func collect() {
        for index in self.nodes.indices {
            while let (datagram, size, to) = self.nodes[index].nextDatagram() {
                guard let path = self.routes[Route(from: index, to: to)] else { continue }
                let parcel = Parcel(datagram: datagram, from: index, to: to)
                self.paths[path].handle(parcel, size: size, at: self.now)
            }
        }
    }
}
