public import NIOCore

/// An event as a handler gets it.
public struct SocketIOEvent: Sendable {
    /// The event's name.
    public let name: String
    /// What came with it; binary arguments in place.
    public let arguments: [JSONValue]
    /// Set if the sender waits for an acknowledgement.
    public let acknowledgement: SocketIOAcknowledgement?

    /// The argument at `index`, or nil if there are not so many.
    public subscript(index: Int) -> JSONValue? {
        arguments.indices.contains(index) ? arguments[index] : nil
    }

    /// Acknowledges the event if the sender waits for it; otherwise, and the second time, does nothing.
    public func acknowledge(_ arguments: JSONValue...) { acknowledgement?.send(arguments) }
}

/// Answers one event, once. May be used from any thread.
///
/// `@unchecked Sendable`: `respond` is read and cleared on `eventLoop` only.
public final class SocketIOAcknowledgement: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private var respond: (@Sendable ([JSONValue]) -> Void)?

    init(eventLoop: any EventLoop, respond: @escaping @Sendable ([JSONValue]) -> Void) {
        self.eventLoop = eventLoop
        self.respond = respond
    }

    /// Sends the acknowledgement; the second time does nothing.
    public func send(_ arguments: JSONValue...) { send(arguments) }

    /// Sends the acknowledgement; the second time does nothing.
    public func send(_ arguments: [JSONValue]) {
        if eventLoop.inEventLoop {
            sendOnLoop(arguments)
        } else {
            eventLoop.execute { self.sendOnLoop(arguments) }
        }
    }

    private func sendOnLoop(_ arguments: [JSONValue]) {
        let respond = respond
        self.respond = nil
        respond?(arguments)
    }
}

/// Why an acknowledgement did not come, or an emit could not be made.
public enum SocketIOError: Error, Hashable, Sendable {
    /// No acknowledgement came within this time.
    case acknowledgementTimeout(TimeAmount)
    /// The socket was disconnected before the acknowledgement came.
    case disconnected
    /// The emit was dropped because this many were already waiting for a connection.
    case bufferFull(limit: Int)
    /// The name has a meaning of its own in Socket.IO and cannot be emitted.
    case reservedEventName(String)
}

/// Refuses a client that wants to join a namespace; sent as `connect_error`.
public struct SocketIOConnectError: Error, Hashable, Sendable {
    /// What the client reads as the error's message.
    public var message: String
    /// What the client reads as the error's `data`, if anything.
    public var data: JSONValue?
    /// Of a client: whether another attempt would end alike until somebody changes something, since the server refused
    /// the client or the client the server's certificate. Not sent.
    public internal(set) var isFinal = false

    /// A refusal with its message and, optionally, details.
    public init(_ message: String, data: JSONValue? = nil) {
        self.message = message
        self.data = data
    }

    init(_ message: String, data: JSONValue?, isFinal: Bool) {
        self.init(message, data: data)
        self.isFinal = isFinal
    }

    init(_ failure: ConnectionFailure) {
        self.init(failure.message, data: nil, isFinal: failure.isFinal)
    }
}

/// Why a socket was disconnected, in the words of the reference implementation.
public struct SocketIODisconnectReason: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The reason as Socket.IO users know it.
    public let rawValue: String
    /// The reason as Socket.IO users know it.
    public var description: String { rawValue }

    /// A reason in its own words.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Server: the socket was disconnected by ``SocketIOSocket/disconnect(close:)``.
    public static let serverNamespaceDisconnect = Self(rawValue: "server namespace disconnect")
    /// Server: the client left the namespace.
    public static let clientNamespaceDisconnect = Self(rawValue: "client namespace disconnect")
    /// Server: ``SocketIOServer/close(clientsReturn:)``.
    public static let serverShuttingDown = Self(rawValue: "server shutting down")
    /// Server: the client broke the protocol or a limit.
    public static let forcedServerClose = Self(rawValue: "forced server close")
    /// Client: the server disconnected the socket; no reconnection follows.
    public static let ioServerDisconnect = Self(rawValue: "io server disconnect")
    /// Client: ``SocketIOClient/disconnect()``; no reconnection follows.
    public static let ioClientDisconnect = Self(rawValue: "io client disconnect")
    /// The other side was silent for too long.
    public static let pingTimeout = Self(rawValue: "ping timeout")
    /// The connection was closed.
    public static let transportClose = Self(rawValue: "transport close")
    /// The connection broke, or a request failed.
    public static let transportError = Self(rawValue: "transport error")
    /// The other side sent something that is not Socket.IO.
    public static let parseError = Self(rawValue: "parse error")
    /// The connection was closed by this side.
    public static let forcedClose = Self(rawValue: "forced close")
}
