import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import PeerTreeSignalling

/// What the dashboard is fed with: a list of trees, and an event stream of each (server-sent events, WHATWG HTML 9.2).
enum DashboardPages {
    /// Changes are gathered for so long: what a watcher costs is bounded, however much happens.
    private static let interval = Duration.milliseconds(500)
    /// Something is sent so often, in units of `interval`: a connection that is gone is noticed by that.
    private static let quietIntervals = 6

    static func add(to router: Router<BasicRequestContext>, peers: PeerTreeServer, access: DashboardAccess) {
        router.get("/dashboard/trees") { request, _ in
            if let refusal = refusal(access.verdict(request.headers)) { return refusal }
            return Pages.response(DashboardJSON.text(await peers.trees) + "\n", "application/json")
        }
        router.get("/dashboard/events") { request, _ in
            if let refusal = refusal(access.verdict(request.headers)) { return refusal }
            guard let tree = request.uri.queryParameters.get("tree"), tree.utf8.count <= 128,
                await peers.shape(of: tree) != nil
            else { return error("unknown-tree", "Tree does not exist.", .notFound) }
            var headers = HTTPFields()
            headers[.contentType] = "text/event-stream"
            headers[.cacheControl] = "no-store"
            headers[.xContentTypeOptions] = "nosniff"
            return Response(
                status: .ok,
                headers: headers,
                body: ResponseBody { writer in
                    try await stream(tree, peers, to: &writer)
                    try await writer.finish(nil)
                }
            )
        }
    }

    private static func stream(
        _ tree: String,
        _ peers: PeerTreeServer,
        to writer: inout any ResponseBodyWriter
    ) async throws {
        let (watcher, welcome): (Int, DashboardWelcome)
        do throws(SignallingError) {
            (watcher, welcome) = try await peers.watch(tree)
        } catch {
            return try await writer.write(event("over", #"{"code":"\#(error.code)"}"#))
        }
        do {
            try await writer.write(event("tree", DashboardJSON.text(welcome)))
            try await follow(watcher, peers, to: &writer)
        } catch {
            await peers.unwatch(watcher)
            throw error
        }
        await peers.unwatch(watcher)
    }

    private static func follow(
        _ watcher: Int,
        _ peers: PeerTreeServer,
        to writer: inout any ResponseBodyWriter
    ) async throws {
        var last: DashboardChanges?
        var quiet = 0
        while let changes = await peers.changes(for: watcher) {
            let isNews =
                !changes.peers.isEmpty || !changes.gone.isEmpty || changes.isOver
                || changes.activity != last?.activity || changes.viewers != last?.viewers
            quiet = isNews ? 0 : quiet + 1
            if isNews || quiet % quietIntervals == 0 {
                try await writer.write(event("changes", DashboardJSON.text(changes)))
            }
            if changes.isOver { return try await writer.write(event("over", #"{"code":"ended"}"#)) }
            last = changes
            if changes.isComplete { try await Task.sleep(for: interval) }
        }
    }

    private static func event(_ name: String, _ data: String) -> ByteBuffer {
        ByteBuffer(string: "event: \(name)\ndata: \(data)\n\n")
    }

    private static func refusal(_ verdict: DashboardAccess.Verdict) -> Response? {
        switch verdict {
        case .allowed: return nil
        case .off:
            return error(
                "dashboard-off",
                "The dashboard is off: start the server with --dashboard everybody or --dashboard-secret.",
                .notFound
            )
        case .unauthorized:
            var answer = error("unauthorized", "The dashboard needs its secret.", .unauthorized)
            answer.headers[.wwwAuthenticate] = "Bearer"
            return answer
        }
    }

    private static func error(_ code: String, _ message: String, _ status: HTTPResponse.Status) -> Response {
        Pages.response(#"{"code":"\#(code)","message":"\#(message)"}"# + "\n", "application/json", status: status)
    }
}

/// The dashboard's figures as JSON. Labels are hexadecimal, ids of base 36, names of programs and nodes of letters, digits
/// and a few marks: nothing in them needs an escape.
enum DashboardJSON {
    static func text(_ list: TreeList) -> String {
        let trees = list.largest.map { #"{"id":"\#($0.treeID)","viewers":\#($0.viewers),"depth":\#($0.depth)}"# }
        let missing = list.missing.map { "\"\($0)\"" }.joined(separator: ",")
        return #"{"trees":[\#(trees.joined(separator: ","))],"count":\#(list.treeCount),"peers":\#(list.peers),"#
            + #""clients":\#(list.clients),"missing":[\#(missing)]}"#
    }

    static func text(_ welcome: DashboardWelcome) -> String {
        #"{"tree":"\#(welcome.treeID)","source":"\#(welcome.source)","stripes":\#(welcome.stripes),"#
            + #""k":\#(welcome.k),"k1":\#(welcome.k1)}"#
    }

    static func text(_ changes: DashboardChanges) -> String {
        let activity = changes.activity
        let gone = changes.gone.map { "\"\($0)\"" }.joined(separator: ",")
        return #"{"seq":\#(changes.sequence),"viewers":\#(changes.viewers),"complete":\#(changes.isComplete),"#
            + #""activity":{"joins":\#(activity.joins),"leaves":\#(activity.leaves),"repairs":\#(activity.repairs),"#
            + #""moves":\#(activity.moves),"forgeries":\#(activity.forgeries)},"gone":[\#(gone)],"#
            + #""peers":[\#(changes.peers.map { text($0) }.joined(separator: ","))]}"#
    }

    /// `[label, [parent of each stripe], flags, rate, lag, round trip, agent]`; flags: 1 native, 2 connected, 4 attached.
    private static func text(_ peer: DashboardChanges.Peer) -> String {
        let parents = peer.parents.map { $0.map { "\"\($0)\"" } ?? "null" }.joined(separator: ",")
        let flags = (peer.isNative ? 1 : 0) + (peer.isConnected ? 2 : 0) + (peer.isAttached ? 4 : 0)
        let report = peer.report
        let agent = report.agent.map { "\"\($0)\"" } ?? "null"
        let figures = "\(tenths(report.rate)),\(tenths(report.lag)),\(tenths(report.roundTrip))"
        return #"["\#(peer.label)",[\#(parents)],\#(flags),\#(figures),\#(agent)]"#
    }

    private static func tenths(_ value: Double?) -> String {
        guard let value, value.isFinite, value < 1e15 else { return "null" }
        let rounded = (value * 10).rounded() / 10
        return rounded == rounded.rounded() ? String(Int64(rounded)) : String(rounded)
    }
}
