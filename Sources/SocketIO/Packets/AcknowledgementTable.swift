import NIOCore

/// Acknowledgements that this side waits for. Used on one event loop only.
struct AcknowledgementTable {
    typealias Completion = @Sendable (Result<[JSONValue], SocketIOError>) -> Void

    private struct Entry {
        var completion: Completion
        var timeout: Scheduled<Void>?
    }

    private var entries: [Int: Entry] = [:]
    private var nextIdentifier = 0

    /// Takes a number for an event; a timer, if any, is attached by ``setTimeout(_:for:)``.
    mutating func register(_ completion: @escaping Completion) -> Int {
        let identifier = nextIdentifier
        nextIdentifier += 1
        entries[identifier] = Entry(completion: completion)
        return identifier
    }

    mutating func setTimeout(_ task: Scheduled<Void>, for identifier: Int) {
        entries[identifier]?.timeout = task
    }

    /// Forgets an acknowledgement and returns what waits for it; unknown identifiers are ignored.
    mutating func take(_ identifier: Int) -> Completion? {
        guard let entry = entries.removeValue(forKey: identifier) else { return nil }
        entry.timeout?.cancel()
        return entry.completion
    }

    /// Forgets all and returns what waits for them.
    mutating func takeAll() -> [Completion] {
        let all = entries.values
        entries = [:]
        return all.map { entry in
            entry.timeout?.cancel()
            return entry.completion
        }
    }
}
