/// Waits until `condition` holds, for what no event tells: a counter, a queue that drains. Whoever waits sleeps between
/// two looks, so that on a small machine those it waits for have the processor.
///
/// There is no time limit but that of the test (`.timeLimit`), which cancels the test's task and thereby this.
/// - Throws: What `condition` throws, and `CancellationError` when the task is cancelled.
public func eventually(
    isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Bool
) async throws {
    while !(try await condition()) { try await Task.sleep(for: .milliseconds(2)) }
}
