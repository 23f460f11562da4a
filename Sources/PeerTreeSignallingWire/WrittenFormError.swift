/// Why bytes are no message from another node.
package enum WrittenFormError: Error, Equatable {
    /// There are more of them than any message has.
    case tooLong(bytes: Int, limit: Int)
    /// They are not in the form of protocol buffers.
    case unreadable
    /// A field is missing or out of bounds. It has the name that it has in `messages.proto`.
    case badField(String, expected: String)
}

extension WrittenFormError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLong(let bytes, let limit):
            "A message from another node has \(bytes) bytes: at most \(limit) are taken. "
                + "Give all nodes the same options."
        case .unreadable:
            "A message from another node is not in the form of protocol buffers. "
                + "Find out who speaks there, and whether it is a node."
        case .badField(let name, let expected):
            "\(name) of a message from another node must be \(expected). "
                + "Bring all nodes to the same version and options."
        }
    }
}
