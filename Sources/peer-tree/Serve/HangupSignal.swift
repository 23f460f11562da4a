import Foundation
import Logging
import PeerTreeServer

/// Reads a server's certificate again when the process gets SIGHUP, as `systemctl reload` sends it.
struct HangupSignal {
    private let source: any DispatchSourceSignal

    init(reloading tls: TLSCertificates, logger: Logger) {
        signal(SIGHUP, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
        source.setEventHandler {
            do {
                try tls.reload()
                logger.notice("the certificate was read again")
            } catch {
                logger.error("the certificate cannot be used", metadata: ["error": "\(error)"])
            }
        }
        source.resume()
    }

    func cancel() {
        source.cancel()
    }
}
