import NIOCore
import NIOSSL

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Turns what TLS complains about into one sentence that says what is wrong with the server.
final class TLSFailureHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let tls: NIOSSLClientHandler
    private let wantedName: String
    private let isPinned: Bool

    init(tls: NIOSSLClientHandler, wantedName: String, isPinned: Bool) {
        self.tls = tls
        self.wantedName = wantedName
        self.isPinned = isPinned
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.fireErrorCaught(explain(error) ?? error)
    }

    private func explain(_ error: any Error) -> EngineIOClientError? {
        switch error {
        case NIOSSLError.handshakeFailed(let reason) where "\(reason)".contains("CERTIFICATE_VERIFY_FAILED"):
            EngineIOClientError(description: describe(tls.peerCertificate), isFinal: true)
        case NIOSSLError.handshakeFailed(let reason): EngineIOClientError(description: describe(handshake: "\(reason)"))
        case NIOSSLError.uncleanShutdown: EngineIOClientError(description: "the server closed the connection")
        case is NIOSSLExtraError:
            EngineIOClientError(
                description: "the server's certificate is not for '\(wantedName)': use the name that it is for",
                isFinal: true
            )
        case is NIOSSLError, is BoringSSLError: EngineIOClientError(description: "TLS failed: \(error)")
        default: nil
        }
    }

    private func describe(handshake reason: String) -> String {
        // What a server of plain HTTP says to a handshake.
        if reason.contains("WRONG_VERSION_NUMBER") || reason.contains("HTTP_REQUEST") {
            return "the server does not speak TLS on this port"
        }
        if reason.contains("EOF") { return "the server closed the connection during the TLS handshake" }
        if reason.contains("UNSUPPORTED_PROTOCOL") || reason.contains("PROTOCOL_VERSION") {
            return "the server speaks neither TLS 1.2 nor 1.3"
        }
        return "the TLS handshake failed: \(reason)"
    }

    /// Why a certificate was refused. The library does not tell, so the likeliest reasons are looked at in turn.
    private func describe(_ certificate: NIOSSLCertificate?) -> String {
        if isPinned {
            return "the server's certificate is not the pinned one: pin the new one, if it was replaced"
        }
        guard let certificate else { return "the server's certificate is not trusted here" }
        let now = time(nil)
        if certificate.notValidAfter < now {
            return "the server's certificate expired on \(Self.day(certificate.notValidAfter)): it has to be renewed"
        }
        if certificate.notValidBefore > now {
            return "the server's certificate is not valid before \(Self.day(certificate.notValidBefore))"
        }
        return "the server's certificate was signed by an authority that is not trusted here: name that authority, or "
            + "pin the certificate"
    }

    /// A day in UTC, such as 2026-01-31.
    private static func day(_ time: time_t) -> String {
        var (time, parts) = (time, tm())
        guard gmtime_r(&time, &parts) != nil else { return "an unknown day" }
        func padded(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(1900 + parts.tm_year)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
    }
}
