package import PeerTreeCore

// What must hold once nothing bad happens any more.

extension Simulation {
    /// Why a viewer is not whole now: not fed, behind the source, or missing something; nil if it is.
    package func lack(of client: Int) -> String? {
        let viewer = clients[client]
        guard viewer.isHonestViewer else { return nil }
        if viewer.end == .sourceLost { return "client \(client) believes that the source is lost" }
        guard viewer.end != .complete else { return nil }
        if viewer.peer?.isFed != true { return "client \(client) has no parent" }
        guard let last = log.entries.last else { return nil }
        guard let expected = viewer.record.expected else {
            // A newcomer may have begun with that, as what was retained, or behind it: there is no join point.
            let position = viewer.peer?.position
            let isBehind = position?.frontier ?? 0 > last.lastSequence && position?.start ?? 0 > last.sequence
            return viewer.record.has(last.sequence) || isBehind ? nil : "client \(client) has got nothing"
        }
        guard expected > last.lastSequence else {
            return "client \(client) has everything below \(expected), the source wrote up to \(last.lastSequence)"
        }
        return nil
    }

    /// How old the oldest message is that a viewer does not have yet; of one that waits for its first, that of the newest.
    package func lag(of client: Int) -> TimeSpan {
        guard let expected = clients[client].record.expected, let index = log.index(of: expected) else { return .zero }
        return now - log.entries[index].at
    }

    /// Who feeds a viewer.
    package func parent(of client: Int) -> Int? {
        let place = clients[client].peer?.places.first { $0.role == .parent }
        return place.flatMap { clients[client].client.membership.name(of: $0.remote).number }
    }

    /// Lets time pass until every viewer is fed and has everything; the source is not stopped, but what it writes from
    /// now on is not waited for.
    ///
    /// - Throws: ``SimulationFailure`` when it takes longer than `limit`, naming what is missing.
    package func requireWhole(within limit: TimeSpan) throws {
        let rhythm = self.rhythm
        publish(nil)
        let isWhole = try run(within: limit) { simulation in
            simulation.viewers.allSatisfy { simulation.lack(of: $0) == nil }
        }
        publish(rhythm)
        guard !isWhole else { return }
        let lacks = viewers.compactMap { lack(of: $0) }
        let milliseconds = limit.nanoseconds / 1_000_000
        throw failure("after \(milliseconds) ms \(lacks.count) viewers are not whole: \(lacks.prefix(3))")
    }

    /// - Throws: if any viewer was told of a gap: in a lossless stream nobody may be.
    package func requireNoGap() throws {
        for client in viewers where !clients[client].record.gaps.isEmpty {
            throw failure("client \(client) was told of gaps: \(clients[client].record.gaps.prefix(3))")
        }
    }

    /// The links over which the stream flows are those that the tracker means, and everyone knows how deep it is, once all
    /// is quiet and everyone has reported.
    package func requirePlacesAsTracked() throws {
        for client in viewers {
            guard let handle = server.handle(of: client) else { throw failure("the server does not know \(client)") }
            let (known, depth) = (clients[client].client.membership.depth ?? 0, try? server.tracker.depth(of: handle))
            guard depth == Int(known) else { throw failure("\(client) is at \(depth ?? 0), and believes at \(known)") }
            for place in clients[client].peer?.places ?? [] where place.role == .parent {
                let parent = ((try? server.tracker.parent(of: handle, stripe: Int(place.stripe))) ?? nil)
                    .flatMap { server.client(of: $0) }
                let feeder = clients[client].client.membership.name(of: place.remote).number
                guard parent == feeder else {
                    throw failure("client \(client) is fed by \(feeder ?? -1), placed under \(parent ?? -1)")
                }
            }
        }
    }
}
