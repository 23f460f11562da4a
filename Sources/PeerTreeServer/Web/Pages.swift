import HTTPTypes
import Hummingbird
import JSON
import NIOCore
import PeerTreeCore
import PeerTreeSignalling

/// What the server shows to people and tells to machines.
enum Pages {
    static func add(to router: Router<BasicRequestContext>, peers: PeerTreeServer, assets: WebAssets) {
        router.get("/") { request, _ in
            assets.page("broadcast", request) ?? page(title: "peer-tree", body: home(server: address(request)))
        }
        router.get("/dashboard") { request, _ in
            assets.page("dashboard", request) ?? missing(request.uri.path, assets)
        }
        router.get("/watch/:tree") { request, context in
            if let page = assets.page("watch", request) { return page }
            let tree = context.parameters.get("tree") ?? ""
            return page(title: "Watch - peer-tree", body: watch(link: "\(address(request))/watch/\(tree)"))
        }
        router.get("/healthz") { _, _ in "ok\n" }
        router.get("/readyz") { _, _ in
            let readiness = await peers.readiness
            let status: HTTPResponse.Status = readiness == .ready ? .ok : .serviceUnavailable
            return response("\(readiness.rawValue)\n", "text/plain; charset=utf-8", status: status)
        }
        router.get("/status") { request, _ in
            guard let tree = request.uri.queryParameters.get("tree") else {
                return json(await peers.status, client: assets.clientVersion, cluster: await peers.clusterStatus)
            }
            guard let shape = await peers.shape(of: tree) else { throw HTTPError(.notFound) }
            return json(shape)
        }
        router.get("/**") { request, _ in
            let path = request.uri.path
            if let file = assets.response(path: path, request) { return file }
            return missing(path, assets)
        }
    }

    static func add(_ metrics: PrometheusMetrics, to router: Router<BasicRequestContext>, peers: PeerTreeServer) {
        router.get("/metrics") { _, _ in
            await peers.recordMetrics()
            return response(metrics.text, "text/plain; version=0.0.4; charset=utf-8")
        }
    }

    /// Every page is for GET and HEAD alone (RFC 9110, section 9.3).
    ///
    /// - Returns: the answer to a request with another method; nil for those two.
    static func methodAnswer(_ request: Request) -> Response? {
        switch request.method {
        case .get, .head: return nil
        case .options: return Response(status: .noContent, headers: [.allow: allowedMethods])
        default:
            var answer = response(
                "405 Method Not Allowed: use GET or HEAD\n",
                "text/plain; charset=utf-8",
                status: .methodNotAllowed
            )
            answer.headers[.allow] = allowedMethods
            return answer
        }
    }

    private static let allowedMethods = "GET, HEAD, OPTIONS"

    static func failure(_ error: any Error) -> Response {
        let status = (error as? any HTTPResponseError)?.status ?? .internalServerError
        return response("\(status.code) \(status.reasonPhrase)\n", "text/plain; charset=utf-8", status: status)
    }

    private static func missing(_ path: String, _ assets: WebAssets) -> Response {
        let isScript = ["/peer-tree.js", "/peer-tree-client.js"].contains(path)
        let reason =
            isScript && assets.folder == nil
            ? "The browser client is not built: run `make web`, or say where it is with --web.\n"
            : "404 Not Found\n"
        return response(reason, "text/plain; charset=utf-8", status: .notFound)
    }

    /// As the client wrote it.
    private static func address(_ request: Request) -> String {
        "\(request.head.scheme ?? "http")://\(request.head.authority ?? "this-server")"
    }

    private static func home(server: String) -> String {
        """
        <p>This server introduces the peers of broadcast trees to each other. It never carries a stream.</p>
        <pre>peer-tree broadcast clip.webm --server \(escaped(server))
        peer-tree watch \(escaped(server))/watch/TREE --output clip.webm</pre>
        """
    }

    private static func watch(link: String) -> String {
        """
        <p>Receive this broadcast, and pass it on, with the command</p>
        <pre>peer-tree watch \(escaped(link)) --output FILE</pre>
        """
    }

    private static func page(title: String, body: String) -> Response {
        let html = """
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width">
            <title>\(title)</title>
            <style>
            body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem }
            pre { background: #8882; padding: 1rem; overflow-x: auto; border-radius: .5rem }
            @media (prefers-color-scheme: dark) { body { background: #111; color: #eee } }
            </style>
            <h1>peer-tree</h1>
            \(body)
            </html>

            """
        var answer = response(html, "text/html; charset=utf-8")
        answer.headers[.contentSecurityPolicy] = "default-src 'none'; style-src 'unsafe-inline'"
        return answer
    }

    /// - Parameter client: the version of the browser client that is served. Versions need no escape.
    private static func json(_ status: PeerTreeServerStatus, client: String?, cluster: JSONValue?) -> Response {
        let served = client.map { "\"\($0)\"" } ?? "null"
        let text =
            #"{"version":"\#(PackageVersion.current)","client":\#(served),"#
            + #""clients":\#(status.clients),"trees":\#(status.trees),"peers":\#(status.peers)"#
        let nodes = cluster.map { ",\"cluster\":" + $0.jsonString } ?? ""
        return response(text + nodes + "}\n", "application/json")
    }

    /// Labels are hexadecimal, so nothing in them needs an escape.
    private static func json(_ shape: TreeShape) -> Response {
        let peers = shape.peers.map { peer in
            let parents = peer.parents.map { $0.map { "\"\($0)\"" } ?? "null" }.joined(separator: ",")
            return #"{"peer":"\#(peer.label)","parents":[\#(parents)],"depth":\#(peer.depth),"#
                + #""native":\#(peer.isNative),"connected":\#(peer.isConnected)}"#
        }
        let text =
            #"{"source":"\#(shape.source)","stripes":\#(shape.stripes),"parity":\#(shape.parity),"viewers":\#(shape.viewers),"#
            + #""depth":\#(shape.depth),"peers":[\#(peers.joined(separator: ","))]}"#
        return response(text + "\n", "application/json")
    }

    static func response(
        _ text: String,
        _ contentType: String,
        status: HTTPResponse.Status = .ok
    ) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = contentType
        headers[.contentLength] = String(text.utf8.count)
        headers[.cacheControl] = "no-store"
        headers[.xContentTypeOptions] = "nosniff"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.append(character)
            }
        }
        return result
    }
}
