import Foundation
import NIOCore
import NIOPosix
import SocketIO

/// `joins-bench URL VIEWERS [IN-FLIGHT]`: viewers connect by WebSocket and join one tree, and stay.
///
/// One join is a connection, a Socket.IO session, a `discover` and its reply, so many under way at a time.
@main
struct JoinsBench {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3, let viewers = Int(arguments[2]), viewers > 0 else {
            FileHandle.standardError.write(Data("usage: joins-bench URL VIEWERS [IN-FLIGHT]\n".utf8))
            exit(64)
        }
        let inFlight = arguments.count > 3 ? Int(arguments[3]) ?? 64 : 64
        let url = arguments[1]
        let source = try Viewer(url: url)
        let reply = try await source.join(["createNew": true])
        guard let tree = reply["discoveryData"]?["treeID"]?.stringValue else {
            throw BenchError(description: "the server made no tree: \(reply.jsonString)")
        }

        var joins: [Join] = []
        joins.reserveCapacity(viewers)
        let begin = nanoseconds()
        try await withThrowingTaskGroup(of: Join.self) { group in
            for index in 0..<viewers {
                if index >= inFlight, let join = try await group.next() { joins.append(join) }
                group.addTask { try await Join(url: url, tree: tree) }
            }
            for try await join in group { joins.append(join) }
        }
        let seconds = Double(nanoseconds() - begin) / 1e9
        let latencies = joins.map(\.milliseconds).sorted()
        let report: JSONValue = [
            "viewers": JSONValue(viewers),
            "joinsPerSecond": JSONValue(Double(viewers) / seconds),
            "p50": JSONValue(latencies[latencies.count / 2]),
            "p99": JSONValue(latencies[latencies.count * 99 / 100]),
        ]
        FileHandle.standardOutput.write(Data("\(report.jsonString)\n".utf8))
        // The runner weighs the server while everybody is there, then closes our input.
        _ = readLine()
        withExtendedLifetime((source, joins)) { exit(0) }
    }
}

struct BenchError: Error, CustomStringConvertible {
    var description: String
}

/// A viewer that has joined, and how long the server took to answer its `discover`.
private struct Join {
    var viewer: Viewer
    var milliseconds: Double

    init(url: String, tree: String) async throws {
        viewer = try Viewer(url: url)
        try await viewer.connect()
        let begin = nanoseconds()
        let reply = try await viewer.discover(["treeID": .string(tree)])
        milliseconds = Double(nanoseconds() - begin) / 1e6
        guard reply["discoveryData"]?["peers"]?.arrayValue?.isEmpty == false else {
            throw BenchError(description: "a viewer got no parent: \(reply.jsonString)")
        }
    }
}

/// One Socket.IO client, with the original's frames.
private struct Viewer: Sendable {
    private let socket: SocketIOClient
    private static let event = "simple-signal[discover]"

    init(url: String) throws {
        var configuration = SocketIOClientConfiguration()
        configuration.transports = [.webSocket]
        configuration.reconnects = false
        socket = try SocketIOClient(
            url: url,
            configuration: configuration,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton
        )
    }

    func join(_ request: JSONValue) async throws -> JSONValue {
        try await connect()
        return try await discover(request)
    }

    func connect() async throws {
        let connected = socket.eventLoop.makePromise(of: Void.self)
        socket.onConnect { connected.succeed() }
        socket.onConnectError { connected.fail($0) }
        socket.connect()
        try await connected.futureResult.get()
    }

    func discover(_ request: JSONValue) async throws -> JSONValue {
        let replied = socket.eventLoop.makePromise(of: JSONValue.self)
        socket.on(Self.event) { replied.succeed($0[0] ?? nil) }
        socket.on("peer-tree[error]") { replied.fail(BenchError(description: $0[0]?.jsonString ?? "refused")) }
        socket.emit(Self.event, request)
        return try await replied.futureResult.get()
    }
}

private func nanoseconds() -> UInt64 {
    DispatchTime.now().uptimeNanoseconds
}
