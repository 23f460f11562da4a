import Foundation

/// One line of the conversation with the runner, in either direction; see Benchmarks/README.md.
struct RunnerLine: Codable {
    var offer: String?
    var answer: String?
    var link: Int?
    var command: String?
    var event: String?
    var bytes: Int?
    var cpu: Double?
    var p50: Double?
    var p99: Double?
    var seconds: Double?

    /// The runner's lines on standard input. When it closes that, we are done.
    static var input: AsyncThrowingStream<RunnerLine, any Error> {
        AsyncThrowingStream { continuation in
            Thread.detachNewThread {
                do {
                    while let text = readLine() {
                        continuation.yield(try JSONDecoder().decode(RunnerLine.self, from: Data(text.utf8)))
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
        }
    }

    func say() {
        guard var text = try? JSONEncoder().encode(self) else { return }
        text.append(UInt8(ascii: "\n"))
        FileHandle.standardOutput.write(text)
    }
}

/// CPU seconds this process has used so far, user and system.
func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
