import NIOCore

extension EventLoop {
    /// Runs a closure on the loop and waits for what it returns. For closures that cannot fail: an `EventLoopFuture`
    /// would throw an untyped error that never comes.
    func value<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            self.execute { continuation.resume(returning: body()) }
        }
    }

    /// Runs a closure on the loop and waits for what it returns or throws.
    func result<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result = await self.value { () -> Result<Value, Failure> in
            do throws(Failure) {
                return .success(try body())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
