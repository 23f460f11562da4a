public import Logging
public import NIOCore
public import PeerTreeCore
public import SocketIO
public import WebRTC

/// A peer of a broadcast tree: its source, or a viewer that passes on what it receives.
///
/// ```swift
/// let socket = try SocketIOClient(url: "http://127.0.0.1:3000")
/// let source = try await PeerTreeClient(socket)
/// let treeID = try await source.create()
/// try await source.write("hello")
///
/// let viewer = try await PeerTreeClient(try SocketIOClient(url: "http://127.0.0.1:3000"))
/// try await viewer.connect(treeID)
/// for try await message in viewer.messages { print(message.text) }
/// ```
public final class PeerTreeClient: Sendable {
    /// The messages of the stream, as they come. One reader; a lossless stream flows no faster than it is read.
    public let messages: PeerTreeMessages

    private let driver: PeerDriver
    private let broadcaster: EventBroadcaster
    private let socket: SocketIOClient
    private let ownTransport: WebRTCTransport?

    /// Makes a client over a Socket.IO client, which it connects if that has not been done.
    ///
    /// - Parameters:
    ///   - socket: the connection to the signalling server. The client closes it in ``close()``.
    ///   - configuration: limits, timers and sockets.
    ///   - transport: the WebRTC transport to share with other clients; nil makes one for this client.
    ///   - logger: where to log.
    /// - Throws: ``PeerTreeError/transport(_:)`` if no UDP socket can be opened.
    public init(
        _ socket: SocketIOClient,
        configuration: PeerTreeClientConfiguration = PeerTreeClientConfiguration(),
        transport: WebRTCTransport? = nil,
        logger: Logger = Logger(label: "peer-tree")
    ) async throws {
        self.socket = socket
        if let transport {
            ownTransport = nil
            broadcaster = EventBroadcaster()
            driver = PeerDriver(
                socket: socket,
                transport: transport,
                configuration: configuration,
                events: broadcaster,
                logger: logger
            )
        } else {
            let bound: WebRTCTransport
            do {
                bound = try await WebRTCTransport.bind(configuration.webRTC, on: .next)
            } catch {
                throw PeerTreeError.transport("\(error)")
            }
            ownTransport = bound
            broadcaster = EventBroadcaster()
            driver = PeerDriver(
                socket: socket,
                transport: bound,
                configuration: configuration,
                events: broadcaster,
                logger: logger
            )
        }
        messages = PeerTreeMessages(queue: driver.queue)
        driver.listen()
        socket.connect()
    }

    // MARK: Entering a tree

    /// Makes a new tree with this client as its source.
    ///
    /// - Returns: the id that viewers ``connect(_:)`` to.
    /// - Throws: ``PeerTreeError``.
    @discardableResult
    public func create() async throws -> String {
        try await driver.enter(nil)
    }

    /// Joins a tree. Returns once the server has assigned a place; the stream begins with the `connect` event.
    ///
    /// - Parameter treeID: what ``create()`` returned at the source.
    /// - Throws: ``PeerTreeError/unknownTree(_:)`` and others.
    public func connect(_ treeID: String) async throws {
        _ = try await driver.enter(treeID)
    }

    // MARK: Writing

    /// Writes a message. Returns once the stream can take more: a lossless stream waits for its slowest viewer.
    ///
    /// - Throws: ``PeerTreeError/notSource``, ``PeerTreeError/finished`` and others.
    public func write(_ message: ByteBuffer, _ options: MessageOptions = MessageOptions()) async throws {
        try await driver.write(message, options)
    }

    /// Writes a text message.
    public func write(_ text: String, _ options: MessageOptions = MessageOptions()) async throws {
        var options = options
        options.isText = true
        try await driver.write(ByteBuffer(string: text), options)
    }

    /// Ends the stream. Viewers get everything up to here and then see its end.
    ///
    /// - Throws: ``PeerTreeError/notSource``.
    public func finish() async throws {
        try await driver.finish()
    }

    /// Waits until this client and everyone below it have the whole stream, or the stream broke off.
    public func complete() async {
        await driver.complete()
    }

    // MARK: Reading

    /// The payloads of the messages as a stream of bytes.
    public var bytes: PeerTreeBytes {
        PeerTreeBytes(messages: messages)
    }

    // MARK: Observing

    /// A new stream of what happens to this client from now on.
    public var events: AsyncStream<PeerTreeEvent> {
        broadcaster.stream()
    }

    /// Calls a handler, on the client's event loop, for everything that happens.
    public func onEvent(_ handler: @escaping @Sendable (PeerTreeEvent) -> Void) {
        broadcaster.subscribe(handler)
    }

    /// The counters.
    public var statistics: PeerTreeStatistics {
        get async { await driver.statistics }
    }

    /// Sends how far the stream ended; nil while it goes on.
    public var end: StreamEnd? {
        get async { await driver.end }
    }

    /// What the server last told the source about its tree.
    public var treeSummary: TreeSummary? {
        get async { await driver.summary }
    }

    // MARK: Paths

    /// Finds new paths for all links to native peers, by ICE restarts, after W3C `restartIce()`. The links stay, and the
    /// stream goes on. A client does this by itself when a path dies; an application that knows of a better network
    /// before that may ask for it.
    public func restartICE() async {
        await driver.restartICE()
    }

    // MARK: Leaving

    /// Leaves the tree in order: children go on being fed until they have new parents. Then closes everything.
    public func close() async {
        await driver.close()
        await socket.close()
        ownTransport?.close()
        broadcaster.finish()
    }
}

/// The payload bytes of a stream, message boundaries forgotten.
public struct PeerTreeBytes: AsyncSequence, Sendable {
    /// The bytes of one message.
    public typealias Element = ByteBuffer

    let messages: PeerTreeMessages

    /// Reads the bytes.
    public struct AsyncIterator: AsyncIteratorProtocol {
        var messages: PeerTreeMessages.AsyncIterator

        /// The bytes of the next message that has any, or nil at the end of the stream.
        ///
        /// - Throws: ``PeerTreeError``.
        public mutating func next() async throws -> ByteBuffer? {
            while let message = try await messages.next() {
                let payload = message.payload
                if payload.readableBytes > 0 { return payload }
            }
            return nil
        }
    }

    /// Makes the reader.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(messages: messages.makeAsyncIterator())
    }
}
