import NIOCore

/// A server inside another command.
enum EmbeddedServer {
    /// Runs a server while `body` works with it, then stops it.
    ///
    /// - Parameter body: gets the server's URL.
    static func withServer<Result: Sendable>(
        _ settings: ServerSettings,
        _ body: @escaping @Sendable (String) async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
            group.addTask {
                defer { continuation.finish() }
                try await settings.run { address in
                    continuation.yield(address.port ?? settings.port)
                    continuation.finish()
                }
                return nil
            }
            group.addTask {
                for await port in ports { return try await body(settings.url(port: port)) }
                return nil
            }
            while let finished = try await group.next() {
                guard let result = finished else { continue }
                group.cancelAll()
                return result
            }
            throw CancellationError()
        }
    }
}
