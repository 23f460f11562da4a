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

    private static func load(_ path: String) throws -> StateKey {
        if let data = FileManager.default.contents(atPath: path) { return try read(data, path) }
        let key = StateKey()
        let text = key.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() + "\n"
        // Exclusive: of two servers that start at once, one makes the file and the other reads it.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST, let data = FileManager.default.contents(atPath: path) { return try read(data, path) }
            throw unusable(path, "it cannot be made: \(String(cString: strerror(errno)))")
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

    private static func unusable(_ path: String, _ reason: String) -> Failure {
        Failure(status: .noInput, message: "The state key '\(path)' cannot be used: \(reason).")
    }
}
