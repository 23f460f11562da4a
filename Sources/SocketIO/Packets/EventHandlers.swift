/// The handlers of a socket, by event name. A socket has few, so a list is smaller and faster than a table.
struct EventHandlers {
    typealias Handler = @Sendable (SocketIOEvent) -> Void

    private var handlers: [(name: String, handler: Handler)] = []
    private var catchAll: [@Sendable (SocketIOEvent) -> Void] = []

    mutating func add(_ name: String, _ handler: @escaping Handler) { handlers.append((name, handler)) }

    mutating func addCatchAll(_ handler: @escaping Handler) { catchAll.append(handler) }

    mutating func remove(_ name: String) { handlers.removeAll { $0.name == name } }

    /// Calls the handlers of the event in the order in which they were added.
    func call(_ event: SocketIOEvent) {
        for handler in catchAll { handler(event) }
        callNamed(event)
    }

    /// Calls the handlers of the name only: for what the library itself has to tell.
    func callNamed(_ event: SocketIOEvent) {
        for entry in handlers where entry.name == event.name { entry.handler(event) }
    }
}
