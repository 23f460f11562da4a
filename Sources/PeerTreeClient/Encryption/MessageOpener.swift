import NIOCore
import PeerTreeCore

/// Why a viewer cannot give a message to the application. It goes on passing the stream on.
public enum UnreadableReason: String, Sendable {
    /// The broadcast is encrypted, and this client has no secret.
    case secretMissing = "secret-missing"
    /// The broadcast is encrypted with another secret.
    case wrongSecret = "wrong-secret"
    /// This client has a secret, and the broadcast is not encrypted: anybody on the way may have written it.
    case notEncrypted = "not-encrypted"
    /// Messages of this broadcast could be opened, and this one could not: it was changed on the way, or is of a stream
    /// that is over.
    case changed

    /// One sentence: what is wrong, and what to do.
    public var sentence: String {
        switch self {
        case .secretMissing:
            "This broadcast is encrypted and the link has no key: ask for the whole link, up to its end."
        case .wrongSecret:
            "The key in the link does not open this broadcast: ask for its link again."
        case .notEncrypted:
            "The link has a key and this broadcast is not encrypted: what comes may not be the broadcaster's, and is not "
                + "shown. Ask for the link again."
        case .changed:
            "A message was changed on its way, and is left out."
        }
    }
}

/// A viewer's end of a broadcast that may be encrypted.
struct MessageOpener {
    enum Outcome {
        case message(PeerTreeMessage)
        case unreadable(UnreadableReason)
    }

    private let secret: BroadcastSecret?
    /// Of the stream that messages were opened of last.
    private var current: MessageCipher?
    /// Streams before that one, the newest last: nobody goes back to them.
    private var past: [[UInt8]] = []
    private static let maximumPast = 64

    init(_ secret: BroadcastSecret?) {
        self.secret = secret
    }

    /// A message as the application gets it.
    mutating func open(_ message: PeerTreeMessage) -> Outcome {
        guard let secret else { return message.isEncrypted ? .unreadable(.secretMissing) : .message(message) }
        guard message.isEncrypted else { return .unreadable(.notEncrypted) }
        let sealed = message.payload
        guard let streamID = MessageCipher.streamID(of: sealed), !past.contains(streamID) else { return failure }
        let cipher = current?.streamID == streamID ? current : nil
        let opening = cipher ?? MessageCipher(secret, streamID: streamID)
        guard let payload = try? opening.open(sealed, MessageOptions(message), sequence: message.sequence) else {
            return failure
        }
        if cipher == nil { begin(opening) }
        var opened = message
        opened.parts = [payload]
        return .message(opened)
    }

    private var failure: Outcome { .unreadable(current == nil ? .wrongSecret : .changed) }

    private mutating func begin(_ cipher: MessageCipher) {
        if let current { past.append(current.streamID) }
        if past.count > Self.maximumPast { past.removeFirst() }
        current = cipher
    }
}

extension MessageOptions {
    fileprivate init(_ message: PeerTreeMessage) {
        self.init(isText: message.isText, isJoinPoint: message.isJoinPoint, retainedKey: message.retainedKey)
    }
}
