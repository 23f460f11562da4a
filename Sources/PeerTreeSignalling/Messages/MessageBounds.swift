/// How much the messages between gateways and tree services hold at most. What clients say is within these bounds before it
/// goes into a message.
extension SignallingOptions {
    /// Bytes of what one event says, counted as by `JSONValue.fits`. The largest events are offers, with
    /// a signal and metadata, and summaries, with two ids and some figures for each peer. 65,536 are for all else, such as
    /// the STUN and TURN servers that an operator names.
    package var maximumPayloadBytes: Int {
        let summary = bounded(maximumPeersInSummary) * (2 * bounded(maximumStringBytes) + 128)
        return bounded(maximumSignalBytes) + bounded(maximumMetadataBytes) + summary + 65_536
    }

    /// How deep that nests: a signal within the event's argument, or the parents within the answer to a discovery.
    package var maximumPayloadDepth: Int { max(bounded(maximumDepth), 8) + 2 }

    /// Bytes of the JSON text of it. A byte that was counted takes six at most, as a control character does.
    package var maximumPayloadTextBytes: Int { 6 * maximumPayloadBytes }

    /// Operators may have set anything; nothing overflows.
    private func bounded(_ value: Int) -> Int { min(max(value, 0), 1 << 24) }
}
