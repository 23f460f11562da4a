import NIOCore
import NIOPosix

/// Why no connection came about, or was lost, in the words of the system rather than those of the library.
package struct ConnectionFailure: Sendable, Hashable {
    /// One sentence.
    package let message: String
    /// Whether another attempt would end alike until somebody changes something.
    package let isFinal: Bool

    init(_ error: any Error) {
        switch error {
        case let error as EngineIOClientError:
            self.init(message: error.description, isFinal: error.isFinal)
        case let error as NIOConnectionError:
            guard let attempt = error.connectionErrors.first else {
                self = "the name '\(error.host)' cannot be resolved"
                return
            }
            self.init(attempt.error)
        case let error as IOError:
            self.init(message: systemMessage(error.errnoCode))
        case ChannelError.connectTimeout(let limit):
            self = "no answer within \(limit.nanoseconds / 1_000_000_000) s"
        default:
            self.init(message: "\(error)")
        }
    }

    /// What came of each server; final if that is so of all.
    init(_ failures: [(server: String, failure: ConnectionFailure)]) {
        self.init(
            message: failures.map { "\($0.server): \($0.failure.message)" }.joined(separator: "; "),
            isFinal: failures.allSatisfy(\.failure.isFinal)
        )
    }

    private init(message: String, isFinal: Bool = false) {
        self.message = message
        self.isFinal = isFinal
    }
}

extension ConnectionFailure: ExpressibleByStringInterpolation {
    /// A failure that may pass.
    package init(stringLiteral message: String) {
        self.init(message: message)
    }
}
