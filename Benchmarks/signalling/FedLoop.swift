import JSON
import NIOCore
import PeerTreeCore
import PeerTreeSignalling

/// One service on its loop, as a server drives it, but that its clients are made up.
///
/// `@unchecked Sendable`: all that changes is used on `eventLoop` only; what is called from elsewhere hops there.
final class FedLoop: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private var service: SignallingService
    private var loops: [FedLoop] = []
    private var letters: [[PartMessage]] = []
    private var madeTree: EventLoopPromise<String>?
    private var viewers: ArraySlice<Viewer> = []
    private var unanswered = 0
    private var joined: EventLoopPromise<Void>?

    /// Clients that may wait for their answers at once.
    private static let batch = 64

    init(_ service: SignallingService, on eventLoop: any EventLoop) {
        self.service = service
        self.eventLoop = eventLoop
    }

    func meet(_ loops: [FedLoop]) {
        eventLoop.execute {
            self.loops = loops
            self.letters = loops.map { _ in [] }
        }
    }

    func makeTree(_ id: String) -> EventLoopFuture<String> {
        let promise = eventLoop.makePromise(of: String.self)
        eventLoop.execute {
            self.madeTree = promise
            self.feed(.connected(id: id))
            let request: JSONValue = ["createNew": true, "peerTree": ["v": 2]]
            self.feed(.event(id: id, name: "simple-signal[discover]", arguments: [request]))
            self.send()
        }
        return promise.futureResult
    }

    /// Lets viewers join one after the other. The future is that of the last one's answer.
    func join(_ viewers: [Viewer]) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        eventLoop.execute {
            self.joined = promise
            self.viewers = viewers[...]
            self.joinMore()
        }
        return promise.futureResult
    }

    private func joinMore() {
        while unanswered < Self.batch, let viewer = viewers.popFirst() {
            unanswered += 1
            feed(.connected(id: viewer.id))
            let request: JSONValue = ["treeID": .string(viewer.tree), "peerTree": ["v": 2]]
            feed(.event(id: viewer.id, name: "simple-signal[discover]", arguments: [request]))
        }
        send()
        guard unanswered == 0, viewers.isEmpty else { return }
        joined?.succeed(())
        joined = nil
    }

    private func take(_ letters: [PartMessage]) {
        eventLoop.execute {
            for letter in letters { self.feed(.told(letter)) }
            self.send()
            if self.joined != nil { self.joinMore() }
        }
    }

    private func feed(_ input: SignallingService.Input) {
        service.handle(input, at: Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds))
        while let output = service.nextOutput() {
            switch output {
            case .emit(let id, "simple-signal[discover]", let payload): answered(id, payload)
            case .tell(let message, let part): letters[part].append(message)
            default: break
            }
        }
    }

    private func answered(_ id: String, _ payload: JSONValue) {
        if let promise = madeTree, let tree = payload["discoveryData"]?["treeID"]?.stringValue {
            madeTree = nil
            return promise.succeed(tree)
        }
        unanswered -= 1
        guard let parent = payload["discoveryData"]?["peerTree"]?["parents"]?[0], let epoch = parent["epoch"] else {
            preconditionFailure("\(id) was refused: \(payload)")
        }
        feed(.event(id: id, name: "peer-tree[attached]", arguments: [["stripe": 0, "epoch": epoch]]))
    }

    private func send() {
        for part in letters.indices where !letters[part].isEmpty {
            loops[part].take(letters[part])
            letters[part] = []
        }
    }
}
