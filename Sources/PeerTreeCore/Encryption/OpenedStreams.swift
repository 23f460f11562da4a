/// Which messages a viewer may have opened, and why it leaves others out.
struct OpenedStreams {
    private let hasSecret: Bool
    /// The stream whose messages were opened last.
    private var current: SignedStreamID?
    /// Streams before that one, the newest last: nobody goes back to them.
    private var past: [SignedStreamID] = []
    /// The reasons that the application was told already, a bit for each.
    private var told: UInt8 = 0
    private static var maximumPast: Int { 64 }

    init(hasSecret: Bool) {
        self.hasSecret = hasSecret
    }

    /// Why a message is left out before it is tried; nil if it is not.
    ///
    /// - Parameter streamID: of a sealed message; nil if it is too short for one.
    func refusal(of streamID: SignedStreamID?, isEncrypted: Bool) -> UnreadableReason? {
        guard hasSecret else { return .secretMissing }
        guard isEncrypted else { return .notEncrypted }
        guard let streamID, !past.contains(streamID) else { return failure }
        return nil
    }

    /// Whether a message is the application's as it is.
    func isPlain(isEncrypted: Bool) -> Bool {
        !hasSecret && !isEncrypted
    }

    /// What a message is that cannot be opened.
    var failure: UnreadableReason { current == nil ? .wrongSecret : .changed }

    /// A message of this stream was opened.
    mutating func opened(_ streamID: SignedStreamID) {
        guard let former = current, former != streamID else {
            current = streamID
            return
        }
        past.append(former)
        if past.count > Self.maximumPast { past.removeFirst() }
        current = streamID
    }

    /// Whether the application has yet to be told that messages are left out for this reason.
    mutating func isNews(_ reason: UnreadableReason) -> Bool {
        let bit = UInt8(1) << reason.rawValue
        defer { told |= bit }
        return told & bit == 0
    }
}
