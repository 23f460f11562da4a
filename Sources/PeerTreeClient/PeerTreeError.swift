import NIOCore
import PeerTreeCore

/// Why a call to ``PeerTreeClient`` failed.
public enum PeerTreeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The server knows no tree with this id.
    case unknownTree(String)
    /// The server refused the request.
    case refused(code: String, message: String)
    /// The tree's id is that of a source's key, and the server did not give that key.
    case unprovenTree(String)
    /// The server did not answer in time.
    case serverTimeout(seconds: Int)
    /// The signalling server cannot be reached.
    case serverUnreachable(String)
    /// The client is already in a tree.
    case alreadyInTree(String)
    /// The call needs a client that is in a tree.
    case notInTree
    /// Only the source writes.
    case notSource
    /// The stream was finished; nothing more can be written.
    case finished
    /// The message is larger than the tree carries in one piece.
    case messageTooLarge(bytes: Int, limit: Int)
    /// The client was closed.
    case closed
    /// The stream could not wait, and its reader did not keep up.
    case readerTooSlow(limit: Int)
    /// The source left or vanished before the end of the stream.
    case sourceLost
    /// The local WebRTC transport failed.
    case transport(String)

    /// One sentence: what was wrong, and what to do.
    public var description: String {
        switch self {
        case .unknownTree(let id):
            "No tree has the id '\(id)': check the link, or ask the broadcaster for a new one."
        case .refused(let code, let message):
            "The server refused (\(code)): \(message)"
        case .unprovenTree(let id):
            "The server does not know whose key tree '\(id)' has, or does not know signed trees: use the server of the link, or update it; a source can do without an identity (--unsigned)."
        case .serverTimeout(let seconds):
            "The server did not answer within \(seconds) s."
        case .serverUnreachable(let reason):
            "The server cannot be reached: \(reason)"
        case .alreadyInTree(let id):
            "This client is already in tree '\(id)'; use another client for another tree."
        case .notInTree:
            "This client is in no tree yet: call create() or connect(_:) first."
        case .notSource:
            "Only the source of a tree can write to it."
        case .finished:
            "The stream was finished; nothing more can be written to it."
        case .messageTooLarge(let bytes, let limit):
            "A message of \(bytes) bytes is larger than \(limit): write it in parts, or raise the limit in all clients."
        case .closed:
            "The client was closed."
        case .readerTooSlow(let limit):
            "More than \(limit) bytes of a stream that cannot wait were not read; read faster or raise the limit."
        case .sourceLost:
            "The source left or vanished before the end of the stream."
        case .transport(let reason):
            "The WebRTC transport failed: \(reason)"
        }
    }
}

extension PeerTreeError {
    /// Why a tree was not entered.
    init(_ failure: EntryFailure, of tree: String?, _ configuration: PeerTreeClientConfiguration) {
        switch failure {
        case .unknownTree: self = .unknownTree(tree ?? "")
        case .refused(let code, let message): self = .refused(code: code.string, message: message.string)
        case .timeout: self = .serverTimeout(seconds: Int(configuration.discoverTimeout.nanoseconds / 1_000_000_000))
        case .unreachable(let reason): self = .serverUnreachable(reason.string)
        case .alreadyInTree: self = .alreadyInTree(tree ?? "")
        case .unproven: self = .unprovenTree(tree ?? configuration.identity?.treeID ?? "")
        case .closed: self = .closed
        }
    }
}
