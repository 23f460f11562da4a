import JSON
public import NIOCore
public import PeerTreeCore
public import PeerTreeSignalling
public import SocketIO

/// Introduces the peers of broadcast trees to each other, over an existing Socket.IO server.
///
/// ```swift
/// let io = SocketIOServer()
/// let server = PeerTreeServer(io, k: 4, k1: 10)
/// try await io.listen(host: "127.0.0.1", port: 3000)
/// ```
///
/// It decides who hangs under whom and relays offers, answers and candidates. It never carries the stream.
public final class PeerTreeServer: Sendable {
    let driver: SignallingDriver
    private let port: NodePort?

    /// Serves peers that connect to `io`.
    ///
    /// - Parameters:
    ///   - io: the Socket.IO server; its main namespace is used.
    ///   - k: how many children a peer gets at most; at least 1.
    ///   - k1: how many children a source gets at most; at least 1.
    ///   - options: limits and time-outs.
    ///   - access: who may create trees and who may join them; by default everybody.
    ///   - stateKey: signs what peers need in order to come back. With the key of an earlier run the server rebuilds the
    ///     trees of that run; by default it has a key of its own and can not.
    ///   - loops: over how many event loops sockets and trees are spread; at least 1. A tree stays on one. By default as many
    ///     as the machine has cores.
    public convenience init(
        _ io: SocketIOServer,
        k: Int = 4,
        k1: Int = 10,
        options: SignallingOptions = SignallingOptions(),
        access: AccessPolicy = AccessPolicy(),
        stateKey: StateKey = StateKey(),
        loops: Int = System.coreCount
    ) {
        self.init(io, k: k, k1: k1, options: options, access: access, stateKey: stateKey, loops: loops, port: nil)
    }

    /// The same, as a node of a cluster, whose slots it is told of (`hear`).
    ///
    /// - Parameter port: Leads to the other nodes; nil if there are none.
    package init(
        _ io: SocketIOServer,
        k: Int,
        k1: Int,
        options: SignallingOptions,
        access: AccessPolicy,
        stateKey: StateKey,
        loops: Int,
        port: NodePort?
    ) {
        var options = options
        options.tracker.childrenPerPeer = max(1, k)
        options.tracker.childrenOfSource = max(1, k1)
        self.port = port
        driver = SignallingDriver(
            io: io,
            loops: loops,
            options: options,
            security: SignallingSecurity(stateKey: stateKey, policy: access),
            port: port
        )
        driver.start()
    }

    /// What the server holds and has done.
    public var status: PeerTreeServerStatus {
        get async { PeerTreeServerStatus(await driver.figures) }
    }

    /// What is known of the cluster's nodes; nil if the server is alone.
    var clusterStatus: JSONValue? {
        get async { await port?.status() }
    }

    /// Whether it is a good moment to send more clients here: not while peers of an earlier run come back, and not once
    /// the server stops.
    public var isReady: Bool {
        get async { await readiness == .ready }
    }

    var readiness: SignallingService.Readiness {
        get async { await driver.readiness }
    }

    /// Says that clients can reach the server from now on. What waits for the peers of an earlier run
    /// (`SignallingOptions.restorationWait`) counts from here; without this call it counts from when the server was made, and
    /// a slow start takes the time from those who come back.
    public func canBeReached() async {
        await driver.canBeReached()
    }

    /// Tells every peer that the server is about to stop. They go on streaming and look for it until it is back.
    public func sayGoodbye() async {
        await driver.sayGoodbye()
    }

    /// Passes the latest figures on to the metrics system. Call it whenever they are to be looked at.
    public func recordMetrics() async {
        await driver.recordMetrics(of: await port?.figures())
    }

    /// What there is, at all nodes of the cluster that this one can reach.
    var trees: TreeList {
        get async {
            var list = await driver.list
            if let port { list.add(await port.elsewhere()) }
            return list
        }
    }

    /// Begins to watch a tree.
    ///
    /// - Returns: the number of the watcher for further questions, and what there is to know at first.
    /// - Throws: `unknown-tree`, `too-many-watchers`.
    func watch(_ treeID: String) async throws(SignallingError) -> (watcher: Int, welcome: DashboardWelcome) {
        let watcher = await driver.first.newWatcher()
        switch await driver.first.ask(.watch(tree: treeID), as: watcher) {
        case .watching(let welcome): return (watcher, welcome)
        case .refused(let error): throw error
        case .changes, .shape: throw .unknownTree
        }
    }

    func unwatch(_ watcher: Int) async {
        await driver.first.unwatch(watcher)
    }

    /// What has changed since a watcher last asked; nil if there is no such watcher.
    func changes(for watcher: Int) async -> DashboardChanges? {
        guard case .changes(let changes) = await driver.first.ask(.look, as: watcher) else { return nil }
        return changes
    }

    /// How a tree hangs together now; nil if there is no tree of this id.
    public func shape(of treeID: String) async -> TreeShape? {
        let first = driver.first
        guard case .shape(let shape) = await first.ask(.shape(tree: treeID), as: first.newWatcher()) else { return nil }
        return shape
    }
}

/// What a server holds and has done.
public struct PeerTreeServerStatus: Sendable {
    /// Connected sockets.
    public var clients: Int
    /// Trees that are not over.
    public var trees: Int
    /// Peers in all trees, sources included.
    public var peers: Int
    /// What placement has done.
    public var tracker: TrackerStatistics

    init(_ figures: SignallingFigures) {
        clients = figures.clients
        trees = figures.trees
        peers = figures.peers
        tracker = figures.tracker
    }
}
