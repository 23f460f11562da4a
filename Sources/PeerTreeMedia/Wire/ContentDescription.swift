import Foundation
public import NIOCore

/// What a stream of bytes or text is that is not media: the retained message before everything else.
public struct ContentDescription: Sendable, Hashable {
    /// The most bytes that a description may take.
    public static let maximumBytes = 4096
    /// The most bytes of a name.
    public static let maximumName = 255

    /// A file name without folders; nil if there is none.
    public var name: String?
    /// A media type (RFC 6838).
    public var type: String?
    /// In bytes.
    public var size: Int?

    /// Makes a description. Of a name that is a path, the last part is taken.
    public init(name: String? = nil, type: String? = nil, size: Int? = nil) {
        self.name = name.flatMap(Self.safeName)
        self.type = type
        self.size = size
    }

    /// Reads a description that comes from outside: a name is never a path, nothing has control characters.
    ///
    /// - Throws: ``MediaFormatError`` with a sentence that says what is wrong.
    public init(parsing text: ByteBuffer) throws(MediaFormatError) {
        guard text.readableBytes <= Self.maximumBytes,
            let json = try? JSONDecoder().decode(JSON.self, from: Data(text.readableBytesView)), json.content == 1
        else { throw MediaFormatError("The description of the content is not the JSON that it should be.") }
        let type = json.type.flatMap { type in
            type.utf8.count <= 127 && type.utf8.allSatisfy { (0x20..<0x7F).contains($0) } ? type : nil
        }
        self.init(name: json.name, type: type, size: json.size.flatMap { $0 >= 0 ? $0 : nil })
    }

    /// The description as the text of a message.
    public func encoded() -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Strings and a number always become JSON.
        let data = (try? encoder.encode(JSON(content: 1, name: name, type: type, size: size))) ?? Data()
        return ByteBuffer(bytes: data)
    }

    private struct JSON: Codable {
        var content: Int
        var name: String?
        var type: String?
        var size: Int?
    }

    /// What of a name can be offered for a file: its last part, without control characters, not hidden; nil if nothing.
    private static func safeName(_ name: String) -> String? {
        let last = name.split { $0 == "/" || $0 == "\\" }.last ?? ""
        let visible = last.unicodeScalars.filter { scalar in
            switch scalar.properties.generalCategory {
            // Among the format characters are those that turn the direction of text.
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
            default: true
            }
        }
        let named = visible.drop { $0 == "." || $0.properties.isWhitespace }
        var name = ""
        for scalar in named where name.utf8.count + UTF8.width(scalar) <= maximumName {
            name.unicodeScalars.append(scalar)
        }
        while name.last?.isWhitespace == true { name.removeLast() }
        return name.isEmpty ? nil : name
    }
}
