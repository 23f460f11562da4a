public import NIOCore

extension SocketIOEvent {
    /// The argument at `index` as a value of type `type`.
    ///
    /// - Throws: `DecodingError` if there is no such argument, or it describes no such value.
    public func decode<T: Decodable>(_ type: T.Type = T.self, at index: Int = 0) throws -> T {
        guard let argument = self[index] else {
            let problem = "the event \"\(name)\" has \(arguments.count) arguments, none at \(index)"
            throw DecodingError.valueNotFound(type, .init(codingPath: [], debugDescription: problem))
        }
        return try JSONValueDecoder().decode(type, from: argument)
    }
}

/// What sends and receives events with typed payloads: a server's socket or a client.
public protocol SocketIOEndpoint: AnyObject, Sendable {
    /// Calls `handler` for every event named `event`.
    func on(_ event: String, _ handler: @escaping @Sendable (SocketIOEvent) -> Void)
    /// Sends an event.
    func emit(_ event: String, arguments: [JSONValue])
    /// Sends an event and calls `completion` with the other side's acknowledgement.
    func emit(
        _ event: String,
        arguments: [JSONValue],
        timeout: TimeAmount?,
        acknowledgement completion: @escaping @Sendable (Result<[JSONValue], SocketIOError>) -> Void
    )
}

extension SocketIOSocket: SocketIOEndpoint {}
extension SocketIOClient: SocketIOEndpoint {}

extension SocketIOEndpoint {
    /// Calls `handler` for every event named `event` with its first argument as a value of type `type`.
    ///
    /// - Parameter onMismatch: What to do with events whose first argument is something else. Default: they are
    ///   ignored.
    public func on<Payload: Decodable & Sendable>(
        _ event: String,
        as type: Payload.Type,
        _ handler: @escaping @Sendable (Payload, SocketIOEvent) -> Void,
        onMismatch: (@Sendable (SocketIOEvent, any Error) -> Void)? = nil
    ) {
        on(event) { event in
            do {
                handler(try event.decode(type), event)
            } catch {
                onMismatch?(event, error)
            }
        }
    }

    /// Runs `handler` as a task for every event named `event` whose first argument is a value of type `type`, and
    /// acknowledges the event with what it returns. Events with something else are ignored; if the handler throws, no
    /// acknowledgement is sent. Tasks of several events may overtake each other.
    public func answer<Payload: Decodable & Sendable, Answer: Encodable & Sendable>(
        _ event: String,
        as type: Payload.Type,
        _ handler: @escaping @Sendable (Payload) async throws -> Answer
    ) {
        on(event, as: type) { payload, event in
            Task {
                guard let answer = try? JSONValueEncoder().encode(try await handler(payload)) else { return }
                event.acknowledge(answer)
            }
        }
    }

    /// Sends an event with `payload` as its only argument.
    ///
    /// - Throws: `EncodingError` if the payload cannot be JSON.
    public func emit(_ event: String, encoding payload: some Encodable) throws {
        emit(event, arguments: [try JSONValueEncoder().encode(payload)])
    }

    /// Sends an event with `payload` as its only argument, and returns the first argument of the acknowledgement as a
    /// value of type `type`.
    ///
    /// - Throws: ``SocketIOError`` if no acknowledgement comes, `EncodingError` or `DecodingError` if one of the two
    ///   values is not what it should be.
    public func request<Answer: Decodable>(
        _ event: String,
        encoding payload: some Encodable,
        as type: Answer.Type,
        timeout: TimeAmount? = nil
    ) async throws -> Answer {
        let arguments = [try JSONValueEncoder().encode(payload)]
        let result = await withCheckedContinuation { continuation in
            emit(event, arguments: arguments, timeout: timeout) { continuation.resume(returning: $0) }
        }
        let answer = SocketIOEvent(name: event, arguments: try result.get(), acknowledgement: nil)
        return try answer.decode(type)
    }
}

extension BroadcastOperator {
    /// Sends an event with `payload` as its only argument to all of them.
    ///
    /// - Throws: `EncodingError` if the payload cannot be JSON.
    public func emit(_ event: String, encoding payload: some Encodable) throws {
        emit(event, arguments: [try JSONValueEncoder().encode(payload)])
    }
}
