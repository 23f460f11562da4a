import Foundation
import PeerTreeClient

// Which module the system's `stat` is taken for depends on what else a program imports.
#if canImport(CoreFoundation)
import CoreFoundation
#endif

/// Where a source keeps what is its own from one start to the next: the key that signs its stream, and the secret that opens
/// it if it is encrypted. So its link stays the same.
struct IdentityFile {
    /// The key, in PEM.
    let identity: SourceIdentity
    /// The secret, in PEM behind it. A file that was made by another program has none until it is needed.
    let secret: BroadcastSecret?

    /// The most bytes that are read.
    private static let maximumBytes = 4096

    /// What is in a file; one that does not exist is made, readable for its owner only.
    ///
    /// - Parameter needsSecret: whether a secret is added if there is none.
    static func load(_ path: String, needsSecret: Bool) throws(Failure) -> IdentityFile {
        guard let file = try read(path) else {
            let new = IdentityFile(identity: SourceIdentity(), secret: BroadcastSecret())
            // Exclusive: of two sources that start at once, one makes the file and the other reads it.
            let isNew = try write(new.identity.pem + pem(of: new.secret), to: path, O_CREAT | O_EXCL)
            guard isNew else { return try load(path, needsSecret: needsSecret) }
            return new
        }
        guard needsSecret, file.secret == nil else { return file }
        _ = try write(pem(of: BroadcastSecret()), to: path, O_APPEND)
        // Of two that were added at once the first counts.
        return try read(path) ?? file
    }

    /// - Returns: false if the file was to be made and is there already.
    private static func write(_ text: String, to path: String, _ flags: Int32) throws(Failure) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC | flags, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { return false }
            throw unusable(path, "it cannot be written: \(String(cString: strerror(errno)))")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: Data(text.utf8))
            try file.synchronize()
        } catch {
            throw unusable(path, "it cannot be written: \(error.localizedDescription)")
        }
        return true
    }

    /// - Returns: nil if there is no such file.
    private static func read(_ path: String) throws(Failure) -> IdentityFile? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw unusable(path, "it cannot be read: \(String(cString: strerror(errno)))")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        // What is looked at is what is read, whatever the name comes to mean meanwhile.
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw unusable(path, "it is no file")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw unusable(path, "others may read it, and who has it is the source; chmod 600 it, or make a new one")
        }
        let text = (try? file.read(upToCount: maximumBytes)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let parts = text.split(separator: begin, maxSplits: 1, omittingEmptySubsequences: false)
        guard let identity = parts.first.flatMap({ SourceIdentity(pem: String($0)) }) else {
            throw unusable(path, "it must hold an Ed25519 key in PEM; remove it to have a new one")
        }
        guard parts.count == 2 else { return IdentityFile(identity: identity, secret: nil) }
        guard let line = parts[1].split(whereSeparator: \.isNewline).first, let secret = BroadcastSecret(String(line))
        else { throw unusable(path, "the secret in it was changed; remove it to have a new one") }
        return IdentityFile(identity: identity, secret: secret)
    }

    private static let begin = "-----BEGIN PEER-TREE SECRET-----"
    private static let end = "-----END PEER-TREE SECRET-----"

    private static func pem(of secret: BroadcastSecret?) -> String {
        secret.map { "\(begin)\n\($0.text)\n\(end)\n" } ?? ""
    }

    private static func unusable(_ path: String, _ reason: String) -> Failure {
        Failure(status: .noInput, message: "The identity '\(path)' cannot be used: \(reason).")
    }
}
