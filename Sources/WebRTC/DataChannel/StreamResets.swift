/// Streams whose channel is over, until both directions have been reset: only then may another channel use them (RFC
/// 8831 section 6.7).
struct StreamResets {
    private struct State {
        var isOutgoingDone = false
        var isIncomingDone = false
        var attempts = 0
    }

    /// A peer that refuses a reset so often will not grant it: the stream is never used again.
    private static let maximumAttempts = 3

    private var streams: [UInt16: State] = [:]
    /// Streams whose outgoing side has yet to be reset.
    private var wanted: [UInt16] = []

    /// Whether every stream may be used.
    var isEmpty: Bool { self.streams.isEmpty }

    func isFree(_ stream: UInt16) -> Bool { self.streams[stream] == nil }

    /// The streams that are to be reset now.
    mutating func takeRequest() -> [UInt16] {
        guard !self.wanted.isEmpty else { return [] }
        defer { self.wanted = [] }
        return self.wanted
    }

    /// The channel is closed on this side: its outgoing side is to be reset. Idempotent.
    mutating func close(_ stream: UInt16) {
        guard self.streams[stream] == nil else { return }
        self.streams[stream] = State()
        self.wanted.append(stream)
    }

    /// The peer has reset its side: ours follows.
    mutating func incomingDone(_ stream: UInt16) {
        self.close(stream)
        self.streams[stream]?.isIncomingDone = true
        self.release(stream)
    }

    mutating func outgoingDone(_ stream: UInt16) {
        self.streams[stream]?.isOutgoingDone = true
        self.release(stream)
    }

    /// The peer refused.
    mutating func failed(_ streams: [UInt16]) {
        for stream in streams {
            guard let attempts = self.streams[stream]?.attempts, attempts + 1 < Self.maximumAttempts else { continue }
            self.streams[stream]?.attempts = attempts + 1
            self.wanted.append(stream)
        }
    }

    /// The peer uses the stream again, which proves that both directions had been reset, whatever was lost.
    mutating func forget(_ stream: UInt16) {
        self.streams[stream] = nil
        self.wanted.removeAll { $0 == stream }
    }

    private mutating func release(_ stream: UInt16) {
        guard let state = self.streams[stream], state.isOutgoingDone, state.isIncomingDone else { return }
        self.streams[stream] = nil
    }
}
