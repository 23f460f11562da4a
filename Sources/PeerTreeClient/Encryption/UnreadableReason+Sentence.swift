public import PeerTreeCore

extension UnreadableReason {
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
