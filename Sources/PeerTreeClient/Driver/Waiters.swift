/// The application's calls that wait for something to happen.
struct Waiters {
    /// What they wait for.
    enum Event {
        case writable, complete, left
    }

    private var entering: CheckedContinuation<String, any Error>?
    /// By number, so that one that is cancelled can be found.
    private var calls: [UInt64: (event: Event, call: CheckedContinuation<Void, any Error>)] = [:]
    private var next: UInt64 = 0

    /// A number for a call.
    mutating func number() -> UInt64 {
        next &+= 1
        return next
    }

    var isEntering: Bool { entering != nil }

    mutating func enter(_ call: CheckedContinuation<String, any Error>) {
        entering = call
    }

    mutating func entered(_ result: Result<String, PeerTreeError>) {
        let call = entering
        entering = nil
        call?.resume(with: result.mapError { $0 })
    }

    mutating func add(_ event: Event, _ number: UInt64, _ call: CheckedContinuation<Void, any Error>) {
        calls[number] = (event, call)
    }

    mutating func resume(_ event: Event) {
        for (number, waiter) in calls where waiter.event == event {
            calls[number] = nil
            waiter.call.resume()
        }
    }

    mutating func cancel(_ number: UInt64) {
        calls.removeValue(forKey: number)?.call.resume(throwing: CancellationError())
    }

    /// The client is over.
    mutating func failAll() {
        entered(.failure(.closed))
        for waiter in calls.values { waiter.call.resume(throwing: PeerTreeError.closed) }
        calls.removeAll()
    }
}
