import JSON
import PeerTreeCore
import PeerTreeSignalling

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Checks what another node has written, field by field: it counts for no more than what a client says. Whatever is not as
/// it must be is named in the error, as it is called in `messages.proto`.
struct WrittenReader {
    let options: SignallingOptions

    /// Bytes of an error's text at most. The longest of this server have about 200.
    private static let maximumSentenceBytes = 1_024
    private static let maximumCodeBytes = 32
    private static let maximumLabelBytes = 16

    /// A message, or a part that may not be missing.
    func needed<Part>(_ part: Part, _ isThere: Bool, _ field: StaticString) throws(WrittenFormError) -> Part {
        guard isThere else { throw bad(field, "there") }
        return part
    }

    // MARK: Text

    /// A name of a tree, a peer or a host, which clients may have given.
    func name(_ text: String, _ field: StaticString) throws(WrittenFormError) -> String {
        try name(text, field, fewest: 0)
    }

    /// The same, but not the empty one.
    func givenName(_ text: String, _ field: StaticString) throws(WrittenFormError) -> String {
        try name(text, field, fewest: 1)
    }

    private func name(_ text: String, _ field: StaticString, fewest: Int) throws(WrittenFormError) -> String {
        let most = options.maximumStringBytes
        guard fewest <= text.utf8.count, text.utf8.count <= most else {
            throw bad(field, "text of \(fewest) to \(most) bytes")
        }
        return text
    }

    func token(_ text: String, _ field: StaticString) throws(WrittenFormError) -> String {
        guard text.utf8.count <= options.maximumTokenBytes else {
            throw bad(field, "text of at most \(options.maximumTokenBytes) bytes")
        }
        return text
    }

    /// What people read.
    func sentence(_ text: String, _ field: StaticString) throws(WrittenFormError) -> String {
        guard text.utf8.count <= Self.maximumSentenceBytes else {
            throw bad(field, "text of at most \(Self.maximumSentenceBytes) bytes")
        }
        return text
    }

    /// What programs know an error by.
    func code(_ text: String, _ field: StaticString) throws(WrittenFormError) -> String {
        let isCode = text.utf8.allSatisfy { Self.isLowercaseOrDigit($0) || $0 == UInt8(ascii: "-") }
        guard !text.isEmpty, text.utf8.count <= Self.maximumCodeBytes, isCode else {
            throw bad(field, "1 to \(Self.maximumCodeBytes) of a to z, 0 to 9 and the hyphen")
        }
        return text
    }

    /// What dashboards know a peer by.
    func label(_ text: String, _ field: StaticString) throws(WrittenFormError) -> String {
        guard !text.isEmpty, text.utf8.count <= Self.maximumLabelBytes,
            text.utf8.allSatisfy(Self.isLowercaseOrDigit)
        else { throw bad(field, "1 to \(Self.maximumLabelBytes) of a to z and 0 to 9") }
        return text
    }

    /// What a tree is called that some server made, or the source of a signed one.
    func treeID(_ text: String, _ field: StaticString) throws(WrittenFormError) -> String {
        guard Credentials.isTreeID(text) || SourceKey.isTreeID(Text(Array(text.utf8))) else {
            throw bad(field, "the id of a tree")
        }
        return text
    }

    /// A client's program.
    func agent(_ text: String, _ field: StaticString) throws(WrittenFormError) -> String {
        guard PeerTreeSignalling.DiscoverRequest.agentName(text) == text else {
            throw bad(field, "1 to 48 letters, digits, spaces, dots, hyphens and slashes")
        }
        return text
    }

    private static func isLowercaseOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }

    // MARK: Numbers

    /// The number of a member. Nobody has 0.
    func member(_ number: UInt64, _ field: StaticString) throws(WrittenFormError) -> UInt64 {
        guard number != 0 else { throw bad(field, "a number other than 0") }
        return number
    }

    func integer(
        _ value: some FixedWidthInteger,
        _ field: StaticString,
        upTo most: Int = .max
    ) throws(WrittenFormError) -> Int {
        guard let integer = Int(exactly: value), 0...most ~= integer else {
            throw bad(field, "an integer from 0 to \(most)")
        }
        return integer
    }

    func short(_ value: UInt32, _ field: StaticString) throws(WrittenFormError) -> UInt16 {
        guard let short = UInt16(exactly: value) else { throw bad(field, "an integer from 0 to \(UInt16.max)") }
        return short
    }

    /// Who asks chooses it.
    func watcher(_ number: Int64, _ field: StaticString) throws(WrittenFormError) -> Int {
        guard let watcher = Int(exactly: number) else { throw bad(field, "an integer") }
        return watcher
    }

    func measure(_ value: Double, _ field: StaticString) throws(WrittenFormError) -> Double {
        guard value.isFinite, value >= 0 else { throw bad(field, "a number from 0") }
        return value
    }

    // MARK: The rest

    func count(_ count: Int, upTo most: Int, _ field: StaticString) throws(WrittenFormError) {
        guard count <= most else { throw bad(field, "a list of at most \(most)") }
    }

    /// JSON that a client or the service of its tree has said.
    func payload(_ text: Data, _ field: StaticString) throws(WrittenFormError) -> JSONValue {
        let (bytes, depth) = (options.maximumPayloadBytes, options.maximumPayloadDepth)
        let limits = JSONLimits(
            maximumDepth: depth,
            maximumBytes: options.maximumPayloadTextBytes,
            maximumNodes: bytes
        )
        let parsed = text.withUnsafeBytes { text in
            Result { () throws(JSONError) in try JSONValue(parsing: text, limits: limits) }
        }
        guard let value = try? parsed.get(), value.fits(bytes: bytes, depth: depth) else {
            throw bad(field, "JSON of at most \(bytes) bytes without its escapes, nested at most \(depth) deep")
        }
        return value
    }

    func bad(_ field: StaticString, _ expected: String) -> WrittenFormError {
        .badField(field.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }, expected: expected)
    }
}
