import JSON

/// Bounds on what comes from etcd: whoever answers there is a stranger like any other.
enum EtcdLimits {
    /// Bytes of one key, and of one value.
    static let keyBytes = 512
    static let valueBytes = 65_536
    /// Keys in one answer; a list of more comes in pages.
    static let keysPerPage = 512
    /// Events in one message of a watch. The end of one lease deletes all that a node owns.
    static let eventsPerMessage = 8_192
    /// Bytes of an answer, or of one message of a watch.
    static let answerBytes = 4_194_304
    /// Values in one answer: a key has six, and an event around it two more.
    static let json = JSONLimits(maximumDepth: 12, maximumBytes: answerBytes, maximumNodes: 100_000)
}
