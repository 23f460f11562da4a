import Foundation

/// Turns Ctrl-C and SIGTERM into the cancellation of the command's work, which then closes everything in order.
enum Interruption {
    /// Runs `work`; a signal cancels it and decides the exit code.
    ///
    /// - Throws: ``Failure`` with the signal's exit code and no message, or what `work` throws.
    static func handling<Result: Sendable>(_ work: @escaping @Sendable () async throws -> Result) async throws -> Result
    {
        signal(SIGPIPE, SIG_IGN)
        let task = Task { try await work() }
        let received = SignalBox()
        let sources = [(SIGINT, ExitStatus.interrupted), (SIGTERM, .terminated)].map { number, status in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                // A second signal does not wait for an orderly end.
                if received.set(status) { _exit(status.rawValue) }
                task.cancel()
            }
            source.resume()
            return source
        }
        defer { for source in sources { source.cancel() } }
        let result = await task.result
        if let status = received.status { throw Failure(status: status, message: "") }
        return try result.get()
    }
}

/// The first signal that came.
private final class SignalBox: @unchecked Sendable {
    // Every access to `value` holds `lock`.
    private let lock = NSLock()
    private var value: ExitStatus?

    var status: ExitStatus? { lock.withLock { value } }

    /// Notes a signal; true if one had come before.
    func set(_ status: ExitStatus) -> Bool {
        lock.withLock {
            defer { value = value ?? status }
            return value != nil
        }
    }
}
