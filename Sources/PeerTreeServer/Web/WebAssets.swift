import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The files of the browser client, as `make web` builds them into `dist`. Read once, served from memory.
struct WebAssets: Sendable {
    /// One file, and those of its compressed forms that lie beside it.
    struct Asset: Sendable {
        var contentType: String
        var bytes: ByteBuffer
        var compressed: [ContentCoding: ByteBuffer]
        var tag: String
        /// Whether another content would have another name.
        var isNamedByContent: Bool
    }

    /// The folder they come from; nil if none was found.
    private(set) var folder: String?
    /// The version of the client, as its script says at its beginning; nil if there is none.
    private(set) var clientVersion: String?
    private var assets: [String: Asset] = [:]

    /// Larger files are none of ours.
    private static let maximumBytes = 8 << 20
    private static let maximumCount = 256

    private static let contentTypes = [
        "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "html": "text/html; charset=utf-8",
        "svg": "image/svg+xml", "png": "image/png", "ico": "image/x-icon", "ts": "text/plain; charset=utf-8",
        "wasm": "application/wasm", "map": "application/json", "json": "application/json",
        "webmanifest": "application/manifest+json", "tgz": "application/gzip",
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
            // The package's files are those of its archive.
            guard !path.hasPrefix("package/"),
                let type = Self.contentTypes[String(path.split(separator: ".").last ?? "")],
                let bytes = Self.read(folder + "/" + path)
            else { continue }
            assets["/" + path] = Asset(
                contentType: type,
                bytes: bytes,
                compressed: Self.compressed(folder + "/" + path),
                tag: Self.tag(of: bytes),
                isNamedByContent: Self.isNamedByContent(path)
            )
        }
        clientVersion = assets["/peer-tree.js"].flatMap { Self.version(of: $0.bytes) }
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
        let available = ContentCoding.allCases.filter { asset.compressed[$0] != nil }
        let coding = ContentCoding.choose(of: available, accepted: headers[.acceptEncoding])
        // Each form is another representation, which has a tag of its own (RFC 9110, section 8.8.3.3).
        let tag = "\"\(asset.tag)\(coding.map { "-\($0.rawValue)" } ?? "")\""
        answer[.contentType] = asset.contentType
        answer[.eTag] = tag
        answer[.cacheControl] = asset.isNamedByContent ? "public, max-age=31536000, immutable" : "no-cache"
        answer[.xContentTypeOptions] = "nosniff"
        answer[.vary] = "Accept-Encoding"
        // A page of another origin may load the client; nothing here depends on who asks.
        answer[.accessControlAllowOrigin] = "*"
        if path.hasSuffix(".html") { PageHeaders.add(to: &answer, authority: request.head.authority) }
        if Self.matches(headers[.ifNoneMatch], tag) { return Response(status: .notModified, headers: answer) }
        var body = asset.bytes
        if let coding, let compressed = asset.compressed[coding] {
            answer[.contentEncoding] = coding.rawValue
            body = compressed
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

    /// A script begins with `/*! peer-tree 1.2.3 */`.
    private static func version(of script: ByteBuffer) -> String? {
        let banner = "/*! peer-tree "
        let start = String(decoding: script.readableBytesView.prefix(64), as: UTF8.self)
        guard start.hasPrefix(banner) else { return nil }
        let version = start.dropFirst(banner.count).prefix {
            $0.isASCII && ($0.isLetter || $0.isNumber || ".-+".contains($0))
        }
        return version.isEmpty ? nil : String(version)
    }

    private static func compressed(_ path: String) -> [ContentCoding: ByteBuffer] {
        var forms: [ContentCoding: ByteBuffer] = [:]
        for coding in ContentCoding.allCases { forms[coding] = read(path + coding.ending) }
        return forms
    }

    /// Such as `peer-tree-1a90b8071ba556ed.wasm`: `make web` puts sixteen digits of a hash there.
    private static func isNamedByContent(_ path: String) -> Bool {
        let name = path.split(separator: "/").last?.split(separator: ".").first ?? ""
        guard let hash = name.split(separator: "-").last, hash.utf8.count == 16, hash.utf8.count < name.utf8.count
        else {
            return false
        }
        return hash.allSatisfy { $0.isHexDigit && !$0.isUppercase }
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
        return String(hash, radix: 16)
    }
}
