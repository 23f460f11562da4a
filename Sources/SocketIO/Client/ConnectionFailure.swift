import NIOCore
import NIOPosix

/// Why no connection came about, in the words of the system rather than those of the library.
enum ConnectionFailure {
    static func describe(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            guard let attempt = error.connectionErrors.first else {
                return "the name '\(error.host)' cannot be resolved"
            }
            return describe(attempt.error)
        case let error as IOError:
            return systemMessage(error.errnoCode)
        case ChannelError.connectTimeout(let limit):
            return "no answer within \(limit.nanoseconds / 1_000_000_000) s"
        default:
            return "\(error)"
        }
    }
}
