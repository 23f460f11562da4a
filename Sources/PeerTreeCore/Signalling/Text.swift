/// UTF-8 that the core passes on and compares byte by byte: ids, tokens, session descriptions, JSON.
///
/// Not a `String`: hashing and comparing those needs tables that would be most of the module for browsers.
public struct Text: Hashable, Sendable {
    /// The code units.
    public var bytes: [UInt8]

    /// Makes a text of code units, which are not checked.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Makes a text of a literal.
    public init(_ literal: StaticString) {
        bytes = literal.withUTF8Buffer { Array($0) }
    }

    /// Nothing.
    public static let empty = Text([])

    /// Whether there is nothing in it.
    public var isEmpty: Bool { bytes.isEmpty }

    /// Whether a text says what a literal does.
    public static func == (text: Text, literal: StaticString) -> Bool {
        literal.withUTF8Buffer { text.bytes.elementsEqual($0) }
    }
}

extension Text: ExpressibleByStringLiteral {
    /// Makes a text of a literal.
    public init(stringLiteral literal: StaticString) {
        self.init(literal)
    }
}
