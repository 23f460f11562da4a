import Foundation
import PeerTreeClient

// Which module the system's `stat` is taken for depends on what else a program imports.
#if canImport(CoreFoundation)
import CoreFoundation
#endif

/// Where a source keeps the key that signs its stream.
enum IdentityFile {
    /// The most bytes that are read.
    private static let maximumBytes = 4096

    /// The key in a file; one that does not exist is made, with a new key, readable for its owner only.
    static func load(_ path: String) throws(Failure) -> SourceIdentity {
        if let identity = try read(path) { return identity }
        let identity = SourceIdentity()
        // Exclusive: of two sources that start at once, one makes the file and the other reads it.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST, let identity = try read(path) { return identity }
            throw unusable(path, "it cannot be made: \(String(cString: strerror(errno)))")
        }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try file.write(contentsOf: Data(identity.pem.utf8))
            try file.synchronize()
        } catch {
            throw unusable(path, "it cannot be written: \(error.localizedDescription)")
        }
        return identity
    }

    /// - Returns: nil if there is no such file.
    private static func read(_ path: String) throws(Failure) -> SourceIdentity? {
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
        let text = (try? file.read(upToCount: maximumBytes)).map { String(decoding: $0, as: UTF8.self) }
        guard let identity = text.flatMap({ SourceIdentity(pem: $0) }) else {
            throw unusable(path, "it must hold an Ed25519 key in PEM; remove it to have a new one")
        }
        return identity
    }

    private static func unusable(_ path: String, _ reason: String) -> Failure {
        Failure(status: .noInput, message: "The identity '\(path)' cannot be used: \(reason).")
    }
}
