import Foundation
import NIOCore

// Which module the system's `stat` is taken for depends on what else a program imports.
#if canImport(CoreFoundation)
import CoreFoundation
#endif

/// Writes a stream to a file or to standard output, without blocking the tasks of the program.
///
/// A file is written under a temporary name beside it and renamed when complete, so that no partial output is left that
/// looks whole.
final class OutputWriter: Sendable {
    private let descriptor: Int32
    private let path: String?
    private let queue = DispatchQueue(label: "peer-tree.output")

    /// Whether the output is a file, so that what was written can be changed.
    let isSeekable: Bool

    /// Whether the output is a file that gets its name in the end.
    var hasName: Bool { path != nil }

    private var partialPath: String { (path ?? "") + ".part" }

    /// Opens a file for writing, or standard output for `-`.
    ///
    /// - Throws: ``Failure`` naming the file and what is wrong with it.
    init(_ path: String) throws {
        self.path = path == "-" || path.hasPrefix("/dev/") ? nil : path
        if path == "-" {
            descriptor = STDOUT_FILENO
            // Others may write to it too.
            isSeekable = false
            return
        }
        let target = path.hasPrefix("/dev/") ? path : path + ".part"
        descriptor = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            throw Failure(status: .cannotCreate, message: "Cannot write '\(path)': \(reason).")
        }
        var information = stat()
        isSeekable = fstat(descriptor, &information) == 0 && information.st_mode & S_IFMT == S_IFREG
    }

    /// Writes all of the buffers, one after the other.
    ///
    /// - Throws: ``Failure`` if the file system refuses; ``OutputClosed`` if the reader of a pipe went away.
    func write(_ buffers: [ByteBuffer]) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            queue.async { [self] in
                continuation.resume(with: Result { for bytes in buffers { try writeNow(bytes) } })
            }
        }
    }

    /// Writes in place of what is at an offset from the beginning. Only of a seekable output.
    ///
    /// - Throws: ``Failure`` if the file system refuses.
    func overwrite(_ bytes: ByteBuffer, at offset: Int) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            queue.async { [self] in
                continuation.resume(with: Result { try writeNow(bytes, at: offset) })
            }
        }
    }

    /// Begins the file anew. Nothing must be being written.
    ///
    /// - Throws: ``Failure`` if the file system refuses.
    func truncate() throws {
        guard isSeekable, ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
            let reason = String(cString: strerror(errno))
            throw Failure(status: .inputOutput, message: "Cannot begin '\(path ?? "the output")' anew: \(reason).")
        }
    }

    /// - Parameter place: the offset from the beginning; nil for the end.
    private func writeNow(_ bytes: ByteBuffer, at place: Int? = nil) throws {
        try bytes.withUnsafeReadableBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let (start, rest) = (bytes.baseAddress.map { $0 + offset }, bytes.count - offset)
                let count =
                    if let place {
                        pwrite(descriptor, start, rest, off_t(place + offset))
                    } else {
                        Foundation.write(descriptor, start, rest)
                    }
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EPIPE { throw OutputClosed() }
                guard count >= 0 else {
                    let reason = String(cString: strerror(errno))
                    throw Failure(
                        status: .inputOutput,
                        message: "Cannot write '\(path ?? "standard output")': \(reason)."
                    )
                }
                offset += count
            }
        }
    }

    /// The stream is whole: the file gets its name.
    func complete() throws {
        guard let path else { return }
        close(descriptor)
        guard rename(partialPath, path) == 0 else {
            let reason = String(cString: strerror(errno))
            throw Failure(status: .cannotCreate, message: "Cannot rename '\(partialPath)' to '\(path)': \(reason).")
        }
    }

    /// The stream broke off: what came stays under the temporary name.
    ///
    /// - Returns: where it is; nil for standard output.
    func abandon() -> String? {
        guard path != nil else { return nil }
        close(descriptor)
        return partialPath
    }
}

/// The reader of a pipe went away.
struct OutputClosed: Error {}
