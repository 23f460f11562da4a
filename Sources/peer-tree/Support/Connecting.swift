import Logging
import NIOCore
import PeerTreeClient
import SocketIO

/// Makes clients for the commands, and sentences and exit codes of what goes wrong with them.
enum Connecting {
    static func client(
        to servers: [String],
        token: String? = nil,
        trust: SocketIOTLSConfiguration = SocketIOTLSConfiguration(),
        _ configuration: PeerTreeClientConfiguration,
        logger: Logger
    ) async throws -> PeerTreeClient {
        var socketConfiguration = SocketIOClientConfiguration()
        socketConfiguration.transports = [.webSocket]
        socketConfiguration.tls = trust
        if let token { socketConfiguration.auth = ["token": .string(token)] }
        let socket: SocketIOClient
        do throws(SocketIOURLError) {
            socket = try SocketIOClient(urls: servers, configuration: socketConfiguration, logger: logger)
        } catch .unusableCertificates(let reason) {
            throw Failure(status: .noInput, message: "The certificates to trust cannot be used: \(reason).")
        } catch {
            throw Failure(
                status: .unavailable,
                message: "'\(servers.joined(separator: ","))' is not the address of a server: \(error)"
            )
        }
        return try await PeerTreeClient(socket, configuration: configuration, logger: logger)
    }

    /// The sentence and exit code for an error of any layer.
    static func failure(_ error: any Error, server: String) -> Failure {
        switch error {
        case let failure as Failure: failure
        case PeerTreeError.serverUnreachable(let reason):
            Failure(status: .unavailable, message: "Cannot connect to \(server): \(reason)")
        case let error as PeerTreeError:
            Failure(status: status(of: error), message: error.description)
        default:
            Failure(status: .software, message: "\(error)")
        }
    }

    private static func status(of error: PeerTreeError) -> ExitStatus {
        switch error {
        case .unknownTree, .unprovenTree, .refused, .serverTimeout, .serverUnreachable: .unavailable
        case .sourceLost, .readerTooSlow: .incomplete
        case .transport: .osError
        default: .software
        }
    }
}

/// What all commands can be told.
enum Logs {
    static func make(_ label: String, verbose: Bool) -> Logger {
        var logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = verbose ? .debug : .error
        return logger
    }
}
