import Foundation
import NIOConcurrencyHelpers
import NIOCore

// Which module the system's `stat` is taken for depends on what else a program imports.
#if canImport(CoreFoundation)
import CoreFoundation
#endif

/// Reads a file or standard input in pieces, without blocking the tasks of the program.
final class InputReader: Sendable {
    private let descriptor: Int32
    private let name: String
    private let queue = DispatchQueue(label: "peer-tree.input")

    /// The size of a regular file; nil for a pipe.
    let size: Int?

    /// Opens a file, or standard input for `-`.
    ///
    /// - Throws: ``Failure`` naming the file and what is wrong with it.
    init(_ path: String) throws {
        name = path == "-" ? "standard input" : path
        descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(status: .noInput, message: "Cannot read '\(path)': \(String(cString: strerror(errno))).")
        }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else {
            size = nil
            return
        }
        let kind = information.st_mode & S_IFMT
        if kind == S_IFDIR {
            throw Failure(status: .noInput, message: "Cannot read '\(path)': it is a directory.")
        }
        size = kind == S_IFREG ? Int(information.st_size) : nil
    }

    /// The next bytes, as many as there are; nil at the end.
    ///
    /// - Throws: ``Failure`` if the system cannot read, `CancellationError` if the task is cancelled; a read that waits
    ///   for a silent pipe is then left to itself, and the reader cannot be used again.
    func read() async throws -> ByteBuffer? {
        let waiter = NIOLockedValueBox<CheckedContinuation<ByteBuffer?, any Error>?>(nil)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiter.withLockedValue { $0 = continuation }
                if Task.isCancelled { Self.answer(waiter, .failure(CancellationError())) }
                queue.async { [self] in Self.answer(waiter, Result { try readNow() }) }
            }
        } onCancel: {
            Self.answer(waiter, .failure(CancellationError()))
        }
    }

    /// Goes back to the beginning of a file.
    ///
    /// - Throws: ``Failure`` if the system cannot.
    func rewind() throws {
        guard lseek(descriptor, 0, SEEK_SET) == 0 else {
            let reason = String(cString: strerror(errno))
            throw Failure(status: .inputOutput, message: "Cannot read \(name) again: \(reason).")
        }
    }

    /// Resumes whoever waits, once.
    private static func answer(
        _ waiter: NIOLockedValueBox<CheckedContinuation<ByteBuffer?, any Error>?>,
        _ result: Result<ByteBuffer?, any Error>
    ) {
        let continuation = waiter.withLockedValue { waiting in
            defer { waiting = nil }
            return waiting
        }
        continuation?.resume(with: result)
    }

    private func readNow() throws -> ByteBuffer? {
        var buffer = ByteBufferAllocator().buffer(capacity: 65_536)
        var failure: Int32 = 0
        let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 65_536) { bytes in
            while true {
                let result = Foundation.read(descriptor, bytes.baseAddress, bytes.count)
                if result >= 0 { return result }
                if errno == EINTR { continue }
                failure = errno
                return 0
            }
        }
        guard failure == 0 else {
            let reason = String(cString: strerror(failure))
            throw Failure(status: .inputOutput, message: "Cannot read \(name): \(reason).")
        }
        return count > 0 ? buffer : nil
    }
}
