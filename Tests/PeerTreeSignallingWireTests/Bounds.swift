import JSON
import PeerTreeSignalling

/// What in a message is out of bounds, found by looking at every part of it: knows nothing of how messages are read.
struct Bounds {
    private(set) var violations: [String] = []

    static func violations(of message: Any) -> [String] {
        var bounds = Bounds()
        bounds.look(at: message, as: "message")
        return bounds.violations
    }

    private static let longTexts = ["message": 1_024, "resumeToken": 1_024]
    private static let longLists = ["gone": 200_000]

    private mutating func look(at value: Any, as label: String) {
        switch value {
        case let text as String: demand(text.utf8.count <= Self.longTexts[label] ?? 128, "\(label) is long")
        case let number as Double: demand(number.isFinite && number >= 0, "\(label) is \(number)")
        case let number as Int: demand(number >= 0 || label == "watcher", "\(label) is \(number)")
        case let payload as JSONValue: demand(payload.fits(bytes: 245_760, depth: 18), "\(label) is large")
        case let member as MemberSocket:
            demand(member.number != 0 && !member.socket.isEmpty, "\(label) names nobody")
            descend(value)
        case let bytes as [UInt8] where !bytes.isEmpty:
            demand(bytes.count == 32 || bytes.count == 64, "\(label) is no key")
        case let list as [Any]:
            demand(list.count <= Self.longLists[label] ?? 1_024, "\(label) has \(list.count)")
            for element in list { look(at: element, as: label) }
        default: descend(value)
        }
    }

    private mutating func descend(_ value: Any) {
        for child in Mirror(reflecting: value).children { look(at: child.value, as: child.label ?? "element") }
    }

    private mutating func demand(_ isSo: Bool, _ violation: String) {
        if !isSo { violations.append(violation) }
    }
}
