/// A form in which a file can be sent (RFC 9110, section 8.4.1), the smallest first.
enum ContentCoding: String, CaseIterable {
    case brotli = "br"
    case gzip

    /// The ending of a file in this form, beside the file itself.
    var ending: String { self == .brotli ? ".br" : ".gz" }

    /// The first of some forms that a client takes; nil sends the file as it is.
    ///
    /// - Parameter accepted: the request's `Accept-Encoding` (RFC 9110, section 12.5.3). Its weights say no more here than
    ///   whether a form may be sent: of those that may, the smallest is.
    static func choose(of codings: some Sequence<ContentCoding>, accepted: String?) -> ContentCoding? {
        guard let accepted else { return nil }
        var weights: [String: Bool] = [:]
        for item in accepted.split(separator: ",").prefix(32) {
            let parts = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let name = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            weights[name] = weight > 0
        }
        return codings.first { weights[$0.rawValue] ?? weights["*"] ?? false }
    }
}
