/// The application's calls that wait for something to happen.
struct Waiters {
    private var entering: CheckedContinuation<String, any Error>?
    /// By number, so that one that is cancelled can be found.
    private var writing: [UInt64: CheckedContinuation<Void, any Error>] = [:]
    private var completing: [UInt64: CheckedContinuation<Void, Never>] = [:]
    private var leaving: [CheckedContinuation<Void, Never>] = []
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

    mutating func write(_ number: UInt64, _ call: CheckedContinuation<Void, any Error>) {
        writing[number] = call
    }

    mutating func writable() {
        for call in writing.values { call.resume() }
        writing.removeAll()
    }

    mutating func complete(_ number: UInt64, _ call: CheckedContinuation<Void, Never>) {
        completing[number] = call
    }

    mutating func completed() {
        for call in completing.values { call.resume() }
        completing.removeAll()
    }

    mutating func leave(_ call: CheckedContinuation<Void, Never>) {
        leaving.append(call)
    }

    mutating func left() {
        for call in leaving { call.resume() }
        leaving.removeAll()
    }

    mutating func cancel(_ number: UInt64) {
        writing.removeValue(forKey: number)?.resume(throwing: CancellationError())
        completing.removeValue(forKey: number)?.resume()
    }

    /// The client is over.
    mutating func failAll() {
        entered(.failure(.closed))
        for call in writing.values { call.resume(throwing: PeerTreeError.closed) }
        writing.removeAll()
        completed()
        left()
    }
}
