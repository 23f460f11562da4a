import PeerTreeCore
import TestSupport

/// A viewer of the original's kind in the simulation. It knows nothing of our protocol: it makes a link to the parent that
/// it is named, takes what comes on it for messages, and discovers its tree again once that is gone.
package struct OriginalViewer: Sendable {
    /// The messages of the source that came, by their place among those that it wrote: a run for each link.
    package internal(set) var runs: [[Int]] = []
    /// The link that it has, or is making.
    var link: LinkID?
    var isFed = false
    var parent = Text.empty
    /// Counts its links, and attempts to have one.
    var attempts: UInt32 = 0

    /// How long a WebRTC stack takes to notice that the other end is dead.
    static let consentTimeout = TimeSpan.seconds(6)
    /// How long `simple-signal-client` waits for a connection.
    static let connectTimeout = TimeSpan.seconds(10)
    /// How long its application waits after a refusal.
    static let retryTime = TimeSpan.seconds(2)

    /// What came, however often.
    package var messages: Set<Int> { Set(runs.joined()) }
}

extension Simulation {
    /// Lets an original client join; returns its number.
    @discardableResult
    package func joinOriginal() -> Int {
        add(isSource: false, capacity: nil, isOriginal: true)
    }

    /// The original clients that run.
    package var originals: [Int] {
        clients.indices.filter { clients[$0].original != nil && clients[$0].life == .running }
    }

    /// Who feeds an original client.
    package func parent(ofOriginal client: Int) -> Int? {
        clients[client].original.flatMap { $0.isFed ? $0.parent.number : nil }
    }

    /// What happens to an original client.
    func inputToOriginal(_ input: ClientInput<SimulatedBuffer>, _ client: Int) {
        guard let original = clients[client].original else { return }
        switch input {
        case .serverConnected: if !original.isFed { discover(client) }
        case .server(let event): originalHears(event, client)
        case .described(let id, let sdp) where id == original.link:
            tell(.offer(session: session(of: client), to: original.parent, sdp: sdp), by: client)
        case .channelOpened(let id) where id == original.link:
            clients[client].original?.isFed = true
            clients[client].original?.runs.append([])
        case .received(let id, let frame, _) where id == original.link: takeMessage(frame, client)
        case .channelClosed(let id) where id == original.link: discover(client)
        case .connectionFailed(let id) where id == original.link: discover(client)
        default: break
        }
    }

    private func session(of client: Int) -> Text {
        Text(client: client * 1_000_000 + Int(clients[client].original?.attempts ?? 0))
    }

    /// Asks for a parent, again if there was one.
    private func discover(_ client: Int) {
        guard clients[client].life == .running else { return }
        let former = clients[client].original?.link.flatMap { clients[client].ends[$0] }
        clients[client].original?.link = nil
        if let former { closeConnection(former) }
        clients[client].original?.isFed = false
        tell(.discover(DiscoverRequest(treeID: server.treeID, isNative: false)), by: client)
    }

    private func originalHears(_ event: ServerEvent, _ client: Int) {
        switch event {
        case .discovered(let answer):
            guard answer.peers.count == 1, let parent = answer.peers.first else {
                return fail("original client \(client) is named \(answer.peers.count) parents")
            }
            makeLink(client, to: parent)
        case .discoveryFailed:
            after(OriginalViewer.retryTime) { if $0.clients[client].original?.isFed == false { $0.discover(client) } }
        case .signal(let name, .answer, let isNative):
            if isNative { fail("original client \(client) is taken for a native one") }
            guard name == session(of: client), let id = clients[client].original?.link else { return }
            if let end = clients[client].ends[id] { takeAnswer(end) }
        default:
            break
        }
    }

    private func makeLink(_ client: Int, to parent: Text) {
        clients[client].original?.attempts += 1
        let id = LinkID(clients[client].original?.attempts ?? 0)
        clients[client].original?.link = id
        clients[client].original?.parent = parent
        connect(client, id)
        after(OriginalViewer.connectTimeout) { simulation in
            guard let original = simulation.clients[client].original, original.link == id, !original.isFed else {
                return
            }
            simulation.discover(client)
        }
    }

    private func takeMessage(_ frame: SimulatedBuffer, _ client: Int) {
        guard let runs = clients[client].original?.runs, let run = runs.last else { return }
        guard let index = log.index(of: frame.bytes, from: run.last.map { $0 + 1 } ?? 0) else {
            return fail("original client \(client) got what is no message, or one again")
        }
        clients[client].original?.runs[runs.count - 1].append(index)
    }

    /// The links of a client that has died end for the original clients at their other ends some time later.
    func endLinksToOriginals(of client: Int) {
        let ends = links.indices.filter { link in
            let sides = links[link].sides
            return links[link].isOpen && sides.count == 2 && sides[1].client == client
                && clients[sides[0].client].original != nil
        }
        guard !ends.isEmpty else { return }
        after(OriginalViewer.consentTimeout) { simulation in
            for link in ends where simulation.links[link].isOpen {
                simulation.channelClosed(LinkEnd(link: link, side: 0))
            }
        }
    }
}
