import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The files of the browser client, as `make web` builds them into `dist`. Read once, served from memory.
struct WebAssets: Sendable {
    /// One file, and its gzipped form if there is one beside it.
    struct Asset: Sendable {
        var contentType: String
        var bytes: ByteBuffer
        var gzipped: ByteBuffer?
        var tag: String
    }

    /// The folder they come from; nil if none was found.
    private(set) var folder: String?
    private var assets: [String: Asset] = [:]

    /// Larger files are none of ours.
    private static let maximumBytes = 8 << 20
    private static let maximumCount = 256

    private static let contentTypes = [
        "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "html": "text/html; charset=utf-8",
        "svg": "image/svg+xml", "png": "image/png", "ico": "image/x-icon", "ts": "text/plain; charset=utf-8",
        "map": "application/json", "json": "application/json", "webmanifest": "application/manifest+json",
    ]

    /// Reads the files of a folder.
    ///
    /// - Parameter folder: the folder; nil looks for it, see ``find()``.
    init(folder: String? = nil) {
        guard let folder = folder ?? Self.find() else { return }
        self.folder = folder
        let manager = FileManager.default
        guard let paths = manager.enumerator(atPath: folder) else { return }
        for case let path as String in paths where assets.count < Self.maximumCount {
            guard let type = Self.contentTypes[String(path.split(separator: ".").last ?? "")],
                let bytes = Self.read(folder + "/" + path)
            else { continue }
            assets["/" + path] = Asset(
                contentType: type,
                bytes: bytes,
                gzipped: Self.read(folder + "/" + path + ".gz"),
                tag: Self.tag(of: bytes)
            )
        }
    }

    /// The client's files next to the program (`make release`), in `dist` above it (a build folder of the repository),
    /// or in `dist` of the working directory.
    static func find() -> String? {
        var candidates: [String] = []
        if let program = Bundle.main.executableURL?.resolvingSymlinksInPath() {
            var above = program.deletingLastPathComponent()
            candidates.append(above.path)
            for _ in 0..<4 {
                above.deleteLastPathComponent()
                candidates.append(above.appendingPathComponent("dist").path)
            }
        }
        candidates.append(FileManager.default.currentDirectoryPath + "/dist")
        return candidates.first { FileManager.default.fileExists(atPath: $0 + "/peer-tree.js") }
    }

    /// One of the pages for people, by its name; nil if it is not built.
    func page(_ name: String, _ request: Request) -> Response? {
        response(path: "/pages/\(name).html", request)
    }

    /// The answer to a request for a path; nil if there is no such file.
    func response(path: String, _ request: Request) -> Response? {
        guard let asset = assets[path] else { return nil }
        let headers = request.headers
        var answer = HTTPFields()
        answer[.contentType] = asset.contentType
        answer[.eTag] = asset.tag
        answer[.cacheControl] = "no-cache"
        answer[.xContentTypeOptions] = "nosniff"
        answer[.vary] = "Accept-Encoding"
        // A page of another origin may load the client; nothing here depends on who asks.
        answer[.accessControlAllowOrigin] = "*"
        if path.hasSuffix(".html") { PageHeaders.add(to: &answer, authority: request.head.authority) }
        if Self.matches(headers[.ifNoneMatch], asset.tag) { return Response(status: .notModified, headers: answer) }
        var body = asset.bytes
        if let gzipped = asset.gzipped, headers[.acceptEncoding]?.contains("gzip") == true {
            answer[.contentEncoding] = "gzip"
            body = gzipped
        }
        answer[.contentLength] = String(body.readableBytes)
        return Response(status: .ok, headers: answer, body: ResponseBody(byteBuffer: body))
    }

    /// Whether `If-None-Match` names a tag, in a list, with or without a mark of weakness, or all with `*` (RFC 9110,
    /// section 13.1.2).
    private static func matches(_ condition: String?, _ tag: String) -> Bool {
        guard let condition else { return false }
        return condition.split(separator: ",").contains { item in
            let item = item.drop { $0 == " " }.prefix { $0 != " " }
            return item == "*" || item == tag || item == "W/" + tag
        }
    }

    private static func read(_ path: String) -> ByteBuffer? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard let size = attributes?[.size] as? Int, size <= maximumBytes,
            let data = FileManager.default.contents(atPath: path)
        else { return nil }
        return ByteBuffer(bytes: data)
    }

    /// FNV-1a: tells versions apart, and keeps no secret.
    private static func tag(of bytes: ByteBuffer) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes.readableBytesView { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return "\"" + String(hash, radix: 16) + "\""
    }
}
