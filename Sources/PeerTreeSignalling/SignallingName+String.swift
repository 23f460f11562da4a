package import PeerTreeCore

// The core's names as strings, which Socket.IO wants.

extension SignallingName {
    private static let strings = allCases.map { $0.text.string }

    private static let fromClients = Dictionary(
        uniqueKeysWithValues: allCases.filter { $0.isFromClient }.map { ($0.string, $0) }
    )

    /// The name as it travels.
    package var string: String { Self.strings[Int(rawValue)] }

    /// An event that clients send; nil if it is none.
    init?(fromClient string: String) {
        guard let name = Self.fromClients[string] else { return nil }
        self = name
    }
}

extension LossReason {
    private static let reasons = Dictionary(uniqueKeysWithValues: allCases.map { ($0.text.string, $0) })

    /// A reason by its name in signalling; nil if it is none.
    init?(_ string: String) {
        guard let reason = Self.reasons[string] else { return nil }
        self = reason
    }

    /// The names of all, for whoever gave another.
    static var list: String {
        let names = allCases.map { $0.text.string }
        return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    }
}

extension StaticString {
    fileprivate var string: String {
        withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
    }
}
