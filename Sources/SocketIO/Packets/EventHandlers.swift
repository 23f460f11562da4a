/// The handlers of a socket, by event name. A socket has few, so a list is smaller and faster than a table.
struct EventHandlers {
    typealias Handler = @Sendable (SocketIOEvent) -> Void

    private struct Entry {
        var name: String
        var isOnce: Bool
        var handler: Handler
    }

    private var handlers: [Entry] = []
    private var catchAll: [Handler] = []

    mutating func add(_ name: String, once: Bool = false, _ handler: @escaping Handler) {
        handlers.append(Entry(name: name, isOnce: once, handler: handler))
    }

    mutating func addCatchAll(_ handler: @escaping Handler) { catchAll.append(handler) }

    mutating func remove(_ name: String) { handlers.removeAll { $0.name == name } }

    /// The handlers of the event in the order in which they were added, without those that have had their only call.
    /// Whoever calls them must not hold on to this value meanwhile: handlers may add and remove handlers.
    mutating func take(_ name: String, includingCatchAll: Bool = true) -> [Handler] {
        var chosen = includingCatchAll ? catchAll : []
        var hasOnce = false
        for entry in handlers where entry.name == name {
            chosen.append(entry.handler)
            hasOnce = hasOnce || entry.isOnce
        }
        if hasOnce { handlers.removeAll { $0.isOnce && $0.name == name } }
        return chosen
    }
}
