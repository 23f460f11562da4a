import Foundation

/// Tells which input was under way when the process crashes or hangs.
enum Watch {
    static let findingPath = "webrtc-fuzz-finding.bin"

    /// What a signal handler may look at: plain memory, allocated once.
    private struct State {
        var number: UInt64 = 0
        var seed: UInt64 = 0
        var count = 0
        var target: (UInt64, UInt64) = (0, 0)
    }

    private static let capacity = 1 << 16
    /// An input that takes longer than this hangs.
    private static let patience: UInt32 = 60

    // Safe: allocated before the handlers are installed, written by the one thread that feeds inputs, read by a signal
    // handler after which nothing else runs.
    nonisolated(unsafe) private static let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
    nonisolated(unsafe) private static let input = UnsafeMutableRawBufferPointer.allocate(
        byteCount: capacity,
        alignment: 8
    )

    /// Installs the handlers.
    static func begin() {
        Self.state.initialize(to: State())
        _ = Self.input
        for number in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGALRM] {
            signal(number) { number in
                Watch.report(number)
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        alarm(Self.patience)
    }

    /// Notes what is fuzzed now.
    static func target(_ name: String, seed: UInt64) {
        Self.state.pointee.seed = seed
        withUnsafeMutableBytes(of: &Self.state.pointee.target) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.copyBytes(from: name.utf8.prefix(15))
        }
    }

    /// Notes the input that comes next.
    static func note(_ number: UInt64, _ bytes: [UInt8]) {
        // Every time: of some targets a few inputs take a second.
        alarm(Self.patience)
        Self.state.pointee.number = number
        Self.state.pointee.count = min(bytes.count, Self.capacity)
        Self.input.copyBytes(from: bytes.prefix(Self.capacity))
    }

    /// Only what is allowed in a signal handler: open, write, close.
    private static func report(_ number: Int32) {
        Self.say(number == SIGALRM ? "\nhang, target " : "\ncrash, target ")
        withUnsafeBytes(of: &Self.state.pointee.target) { bytes in
            let count = bytes.firstIndex(of: 0) ?? bytes.count
            _ = write(STDERR_FILENO, bytes.baseAddress, count)
        }
        Self.say(", seed ")
        Self.say(decimal: Self.state.pointee.seed)
        Self.say(", input ")
        Self.say(decimal: Self.state.pointee.number)
        Self.say("\n")
        let file = open("webrtc-fuzz-finding.bin", O_CREAT | O_WRONLY | O_TRUNC, 0o644)
        if file >= 0 {
            _ = write(file, Self.input.baseAddress, Self.state.pointee.count)
            close(file)
        }
    }

    private static func say(_ text: StaticString) {
        _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }

    private static func say(decimal: UInt64) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { bytes in
            var value = decimal
            var index = bytes.count
            repeat {
                index -= 1
                bytes[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10)
                value /= 10
            } while value > 0
            _ = write(STDERR_FILENO, bytes.baseAddress?.advanced(by: index), bytes.count - index)
        }
    }
}
