extension ReplayBuffer {
    /// Bytes a second by which the part of the stream that is held was written, by the source's clock; nil if that says
    /// nothing. While the stream waits for somebody it stays as it was.
    var averageRate: UInt64? {
        guard let oldest = self[firstHeld(from: start)], end > start, let newest = self[end - 1],
            newest.header.timestamp > oldest.header.timestamp
        else { return nil }
        let seconds = Double(newest.header.timestamp - oldest.header.timestamp) / 1e6
        return UInt64(min(Double(byteCount) / seconds, 1e15))
    }
}
