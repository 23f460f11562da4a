import Foundation
import PeerTreeServer

/// Where a server keeps the key that lets its peers come back after a restart.
enum StateKeyFile: Sendable {
    /// Nowhere: every run has another key.
    case none
    /// In a file, as 64 hexadecimal digits.
    case file(String)
    /// In the configuration.
    case secret(String)

    /// The key; a file that does not exist is made, readable for its owner only.
    func load() throws -> StateKey {
        switch self {
        case .none: StateKey()
        case .secret(let text): StateKey(secret: text)
        case .file(let path): try Self.load(path)
        }
    }

    /// More than a key has, so that a file of something else is noticed by its length.
    private static let mostBytes = 1_024

    private static func load(_ path: String) throws -> StateKey {
        if let data = try contents(of: path) { return try read(data, path) }
        let key = StateKey()
        let text = key.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() + "\n"
        // Exclusive: of two servers that start at once, one makes the file and the other reads it.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let reason = errno
            if reason == EEXIST, let data = try contents(of: path) { return try read(data, path) }
            throw unusable(path, "it cannot be made: \(String(cString: strerror(reason)))")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: Data(text.utf8))
            try file.synchronize()
        } catch {
            throw unusable(path, "it cannot be written: \(error.localizedDescription)")
        }
        return key
    }

    /// - Returns: nil if there is no such file.
    private static func contents(of path: String) throws -> Data? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw unreadable(path, errno)
        }
        defer { close(descriptor) }
        var found = Data()
        var piece = [UInt8](repeating: 0, count: mostBytes)
        while found.count < mostBytes {
            let count = Foundation.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path, errno) }
            guard count > 0 else { break }
            found += piece.prefix(count)
        }
        return found
    }

    private static func read(_ data: Data, _ path: String) throws -> StateKey {
        let digits = String(decoding: data, as: UTF8.self).filter { !$0.isWhitespace }
        let bytes = stride(from: 0, to: digits.count, by: 2).compactMap { offset -> UInt8? in
            let start = digits.index(digits.startIndex, offsetBy: offset)
            return UInt8(digits[start...].prefix(2), radix: 16)
        }
        guard digits.count == 2 * StateKey.byteCount, let key = StateKey(bytes: bytes) else {
            throw unusable(
                path,
                "it must hold \(2 * StateKey.byteCount) hexadecimal digits; remove it to have a new one"
            )
        }
        return key
    }

    private static func unreadable(_ path: String, _ reason: Int32) -> Failure {
        unusable(path, "it cannot be read: \(String(cString: strerror(reason)))")
    }

    private static func unusable(_ path: String, _ reason: String) -> Failure {
        Failure(status: .noInput, message: "The state key '\(path)' cannot be used: \(reason).")
    }
}
