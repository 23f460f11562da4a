import NIOCore
import NIOPosix
import SocketIO

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A server with the behaviour that the public Engine.IO and Socket.IO conformance suites expect.
///
/// `socketio-echo [--port N] [--path PATH] [--engine-only] [--ping-interval MS] [--ping-timeout MS]
/// [--connect-timeout MS]` prints `listening on port N` and serves until it is ended. Pings default to the suites' 300
/// and 200 ms, the time to join a namespace to a second. `--pages FOLDER` serves its files as well, for tests with
/// browsers; `--recovery` lets clients come back to their place.
///
/// `socketio-echo --client URL [--transports websocket,polling]` is a client for the tests with other servers: it
/// prints what happens, a line each, and answers every event `X` with `X-back` and the same arguments.
@main
struct EchoServer {
    static func main() async {
        do throws(ArgumentError) {
            let arguments = try Arguments(CommandLine.arguments.dropFirst())
            if let url = arguments.clientURL {
                try await EchoClient.run(url: url, transports: arguments.transports)
            } else {
                try await run(arguments)
            }
        } catch {
            print("socketio-echo: \(error.message)")
            print("usage: socketio-echo [--port N] [--path PATH] [--engine-only]")
            print("                     [--ping-interval MS] [--ping-timeout MS] [--connect-timeout MS]")
            print("                     [--pages FOLDER] [--recovery]")
            print("       socketio-echo --client URL [--transports polling,websocket]")
            exit(2)
        }
    }

    static func run(_ arguments: Arguments) async throws(ArgumentError) {
        var configuration = SocketIOServerConfiguration()
        configuration.pingInterval = .milliseconds(arguments.pingInterval)
        configuration.pingTimeout = .milliseconds(arguments.pingTimeout)
        configuration.maximumPayload = 1_000_000
        configuration.connectTimeout = .milliseconds(arguments.connectTimeout)
        configuration.cors = CORSConfiguration(origins: .any)
        configuration.allowEIO3 = true
        configuration.allowJSONP = true
        if arguments.keepsPlaces { configuration.recovery = ConnectionStateRecovery() }
        configuration.path = arguments.path ?? (arguments.isEngineOnly ? "/engine.io/" : "/socket.io/")
        do {
            let port: Int?
            if arguments.isEngineOnly {
                let engine = EngineIOServer(configuration: configuration) { EngineEcho(connection: $0) }
                let listener = EngineIOListener(engine: engine, eventLoopGroup: MultiThreadedEventLoopGroup.singleton)
                port = try await listener.listen(host: "127.0.0.1", port: arguments.port).port
            } else {
                let io = SocketIOServer(configuration: configuration)
                serve(io.main)
                serve(io.of("/custom"))
                let pages = arguments.pages.map { folder in
                    { @Sendable (channel: any Channel) in PageHandler.install(on: channel, folder: folder) }
                }
                port = try await io.listen(port: arguments.port, fallback: pages).port
            }
            print("listening on port \(port ?? arguments.port)")
            fflush(nil)
        } catch {
            throw ArgumentError(message: "cannot listen on port \(arguments.port): \(error)")
        }
        while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
    }

    static func serve(_ namespace: SocketIONamespace) {
        namespace.onConnection { socket in
            socket.emit("auth", .object(socket.handshake.auth))
            socket.on("message") { socket.emit("message-back", arguments: $0.arguments) }
            socket.on("message-with-ack") { $0.acknowledgement?.send($0.arguments) }
            socket.on("broadcast") { namespace.all.emit("broadcasted", arguments: $0.arguments) }
        }
    }
}

/// Sends every Engine.IO message back.
final class EngineEcho: EngineIOApplication {
    private let connection: EngineIOConnection

    init(connection: EngineIOConnection) { self.connection = connection }

    var deadline: NIODeadline? { nil }

    func connectionDidOpen() {}

    func connectionDidReceive(_ message: EngineIOMessage) { connection.send(message) }

    func connectionDidClose(_ reason: EngineIOSession.CloseReason) {}

    func handleDeadline(at now: NIODeadline) {}
}

struct ArgumentError: Error {
    var message: String
}

/// The command line.
struct Arguments {
    var port = 3000
    var path: String?
    var isEngineOnly = false
    var pingInterval: Int64 = 300
    var pingTimeout: Int64 = 200
    var connectTimeout: Int64 = 1000
    var clientURL: String?
    var pages: String?
    var keepsPlaces = false
    var transports: [SocketIOTransport] = [.polling, .webSocket]

    init(_ arguments: some Sequence<String>) throws(ArgumentError) {
        var iterator = arguments.makeIterator()
        while let argument = iterator.next() {
            switch argument {
            case "--port":
                guard let value = iterator.next().flatMap(Int.init), (0...65535).contains(value) else {
                    throw ArgumentError(message: "--port needs a number from 0 to 65535")
                }
                port = value
            case "--path":
                guard let value = iterator.next(), value.hasPrefix("/") else {
                    throw ArgumentError(message: "--path needs a path that begins with a slash")
                }
                path = value
            case "--engine-only": isEngineOnly = true
            case "--ping-interval": pingInterval = try Self.milliseconds(iterator.next(), for: argument)
            case "--ping-timeout": pingTimeout = try Self.milliseconds(iterator.next(), for: argument)
            case "--connect-timeout": connectTimeout = try Self.milliseconds(iterator.next(), for: argument)
            case "--client": clientURL = iterator.next()
            case "--pages": pages = iterator.next()
            case "--recovery": keepsPlaces = true
            case "--transports":
                transports = (iterator.next() ?? "").split(separator: ",").compactMap {
                    SocketIOTransport(rawValue: String($0))
                }
                guard !transports.isEmpty else {
                    throw ArgumentError(message: "--transports needs polling, websocket or both")
                }
            default: throw ArgumentError(message: "unknown argument \(argument)")
            }
        }
    }

    private static func milliseconds(_ text: String?, for option: String) throws(ArgumentError) -> Int64 {
        guard let value = text.flatMap(Int64.init), (1...86_400_000).contains(value) else {
            throw ArgumentError(message: "\(option) needs milliseconds from 1 to 86400000")
        }
        return value
    }
}
