import NIOCore
import SocketIO

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The client mode: prints what happens and answers every event.
enum EchoClient {
    static func run(url: String, transports: [SocketIOTransport]) async throws(ArgumentError) {
        var configuration = SocketIOClientConfiguration()
        configuration.transports = transports
        configuration.reconnectionDelay = .milliseconds(100)
        configuration.auth = ["token": "secret"]
        let socket: SocketIOClient
        do {
            socket = try SocketIOClient(url: url, configuration: configuration)
        } catch {
            throw ArgumentError(message: error.description)
        }
        socket.onConnect {
            report("connect", socket.id ?? "")
            socket.emit("hello", arguments: [1, "two", .binary([3, 4])], timeout: .seconds(5)) {
                result in
                switch result {
                case .success(let arguments): report("acknowledged", describe(arguments))
                case .failure(let error): report("error", "\(error)")
                }
            }
        }
        socket.onDisconnect { report("disconnect", $0.rawValue) }
        socket.onConnectError { report("connect_error", $0.message) }
        socket.onAny { event in
            report("event", event.name + " " + describe(event.arguments))
            socket.emit(event.name + "-back", arguments: event.arguments)
            event.acknowledgement?.send(event.arguments)
        }
        socket.on("where") { event in
            let transport = socket.transport?.rawValue ?? "none"
            event.acknowledge(.string(transport))
        }
        socket.connect()
        while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
    }

    private static func report(_ what: String, _ details: String) {
        print(what, details)
        fflush(nil)
    }

    private static func describe(_ arguments: [JSONValue]) -> String {
        JSONValue.array(
            arguments.map { argument in
                guard let bytes = argument.binaryValue else { return argument }
                return ["bytes": .array(bytes.map { JSONValue($0) })]
            }
        ).jsonString
    }
}
