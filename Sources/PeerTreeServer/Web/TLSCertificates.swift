import Foundation
import NIOCore
import NIOSSL
import Synchronization

/// The certificate chain and the private key of a server, read from files, and read again when they change.
///
/// Connections that are open keep what they began with; new ones get what was read last. A pair of files that cannot be
/// used, such as one that is just being replaced, changes nothing.
public final class TLSCertificates: Sendable {
    private struct State {
        var context: NIOSSLContext
        var stamp: Stamp
    }

    /// Changes whenever one of the files does.
    private struct Stamp: Equatable {
        var times: [Date?]
        var sizes: [Int?]
    }

    private let certificateFile: String
    private let keyFile: String
    private let state: Mutex<State>

    /// Reads the files.
    ///
    /// - Parameters:
    ///   - certificateFile: The certificates in PEM, the server's own first.
    ///   - keyFile: The private key in PEM.
    /// - Throws: NIOSSL's error if they cannot be used.
    public init(certificateFile: String, keyFile: String) throws {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        let stamp = Self.stamp(certificateFile, keyFile)
        state = Mutex(State(context: try Self.read(certificateFile, keyFile), stamp: stamp))
    }

    /// Reads the files again.
    ///
    /// - Throws: NIOSSL's error if they cannot be used; what was read before stays in force.
    public func reload() throws {
        let stamp = Self.stamp(certificateFile, keyFile)
        let context = try Self.read(certificateFile, keyFile)
        state.withLock { $0 = State(context: context, stamp: stamp) }
    }

    /// Reads the files again if they have changed since.
    ///
    /// - Returns: whether they had.
    public func reloadIfChanged() throws -> Bool {
        guard Self.stamp(certificateFile, keyFile) != state.withLock({ $0.stamp }) else { return false }
        try reload()
        return true
    }

    /// Puts TLS in front of a connection.
    func secure(_ channel: any Channel) throws {
        let context = state.withLock { $0.context }
        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
    }

    private static func read(_ certificateFile: String, _ keyFile: String) throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(certificateFile).map { NIOSSLCertificateSource.certificate($0) }
        let key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain,
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        return try NIOSSLContext(configuration: configuration)
    }

    private static func stamp(_ files: String...) -> Stamp {
        let attributes = files.map { try? FileManager.default.attributesOfItem(atPath: $0) }
        return Stamp(
            times: attributes.map { $0?[.modificationDate] as? Date },
            sizes: attributes.map { $0?[.size] as? Int }
        )
    }
}
