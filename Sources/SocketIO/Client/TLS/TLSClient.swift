import NIOCore
import NIOSSL

/// Puts TLS in front of a client's connections.
struct TLSClient: Sendable {
    private let context: NIOSSLContext
    private let serverName: String?
    private let pinned: Set<NIOSSLCertificate>?
    private let verifiesNames: Bool
    /// What the certificate has to be for, as the user wrote it.
    private let wantedName: String

    /// Reads all certificates; this takes some milliseconds.
    ///
    /// - Throws: ``EngineIOClientError`` that says which certificates cannot be used.
    init(_ configuration: SocketIOTLSConfiguration, host: String) throws(EngineIOClientError) {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.applicationProtocols = ["http/1.1"]
        var pinned: Set<NIOSSLCertificate>?
        switch configuration.verification {
        case .full: break
        case .pinned(let certificates):
            pinned = Set(try Self.read(certificates))
            // The chain is looked at by `secure`; of the name nothing is known.
            tls.certificateVerification = .noHostnameVerification
        case .insecure: tls.certificateVerification = .none
        }
        var roots: [NIOSSLCertificate] = []
        for certificates in configuration.trustRoots { roots += try Self.read(certificates) }
        context = try Self.makeContext(tls, roots: roots, trustsSystem: configuration.trustsSystem && pinned == nil)
        self.pinned = pinned
        verifiesNames = configuration.verification == .full
        wantedName = configuration.serverName ?? host
        let isAddress = (try? SocketAddress(ipAddress: wantedName, port: 0)) != nil
        serverName = isAddress ? nil : wantedName
    }

    /// Adds the handlers to a connection that has none yet.
    func secure(_ channel: any Channel) throws {
        let handler: NIOSSLClientHandler
        if let pinned {
            handler = try NIOSSLClientHandler(context: context, serverHostname: serverName) { chain, verdict in
                verdict.succeed(chain.first.map(pinned.contains) == true ? .certificateVerified : .failed)
            }
        } else if let serverName, verifiesNames {
            // The library also takes a certificate for the address behind a name, which whoever forges the answers of
            // DNS can have. There is no way to say so but this one.
            handler = try NIOSSLClientHandler._makeSSLClientHandler(context: context, serverHostname: serverName) {
                certificate,
                channel in
                let isMeant = certificate._subjectAlternativeNames().contains { name in
                    name.nameType == .dnsName && Self.covers(Array(name.contents), serverName)
                }
                guard !isMeant else { return channel.eventLoop.makeSucceededVoidFuture() }
                return channel.eventLoop.makeFailedFuture(NIOSSLExtraError.failedToValidateHostname)
            }
        } else {
            handler = try NIOSSLClientHandler(context: context, serverHostname: serverName)
        }
        let failures = TLSFailureHandler(tls: handler, wantedName: wantedName, isPinned: pinned != nil)
        try channel.pipeline.syncOperations.addHandlers([handler, failures])
    }

    /// Whether a name in a certificate, which may begin with the label `*`, is for a host (RFC 6125, section 6.4).
    static func covers(_ pattern: [UInt8], _ host: String) -> Bool {
        let pattern = String(decoding: pattern, as: UTF8.self).lowercased()
        let host = host.lowercased()
        guard pattern != host else { return true }
        guard pattern.hasPrefix("*."), let dot = host.firstIndex(of: "."), dot != host.startIndex else { return false }
        let parent = pattern.dropFirst(1)
        return parent.dropFirst().contains(".") && host[dot...] == parent
    }

    private static func makeContext(
        _ configuration: TLSConfiguration,
        roots: [NIOSSLCertificate],
        trustsSystem: Bool
    ) throws(EngineIOClientError) -> NIOSSLContext {
        var configuration = configuration
        do {
            guard trustsSystem else {
                configuration.trustRoots = .certificates(roots)
                return try NIOSSLContext(configuration: configuration)
            }
            configuration.additionalTrustRoots = [.certificates(roots)]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            // A system without a store of its own leaves the roots that were given.
            if trustsSystem, !roots.isEmpty { return try makeContext(configuration, roots: roots, trustsSystem: false) }
            throw EngineIOClientError(
                description: "the certificates that this system trusts cannot be read: install them (in Debian, "
                    + "ca-certificates), or name the authorities to trust"
            )
        }
    }

    private static func read(
        _ certificates: SocketIOTLSConfiguration.Certificates
    ) throws(EngineIOClientError) -> [NIOSSLCertificate] {
        do {
            let found =
                switch certificates {
                case .file(let path): try NIOSSLCertificate.fromPEMFile(path)
                case .pem(let text): try NIOSSLCertificate.fromPEMBytes(Array(text.utf8))
                }
            if !found.isEmpty { return found }
        } catch {}
        let place =
            switch certificates {
            case .file(let path): "the file '\(path)'"
            case .pem: "the text given"
            }
        throw EngineIOClientError(description: "\(place) has no certificates in PEM that can be read")
    }
}
