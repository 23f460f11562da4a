import Crypto
import NIOCore

/// A code that nobody can make who does not know the secret.
package struct ProofCode: Hashable, Sendable {
    let bytes: [UInt8]

    static let length = 32

    /// Reads the codes of a proof: one or two.
    static func read(_ bytes: ByteBuffer) throws(LinkViolation) -> [ProofCode] {
        var bytes = bytes
        let count = bytes.readableBytes / length
        guard (1...LinkSecrets.maximumCount).contains(count), bytes.readableBytes == count * length else {
            throw .malformed("a proof")
        }
        var codes: [ProofCode] = []
        while let code = bytes.readBytes(length: length) { codes.append(ProofCode(bytes: code)) }
        return codes
    }
}

/// The certificates of a connection's ends, by their SHA-256.
///
/// Whoever stands in between has no key to either of them, and has to show others: proofs then are about what the other
/// end has not seen.
package struct LinkCertificates: Sendable {
    let own: [UInt8]
    let other: [UInt8]

    /// - Parameters: both as DER.
    package init(own: [UInt8], other: [UInt8]) {
        self.own = Array(SHA256.hash(data: own))
        self.other = Array(SHA256.hash(data: other))
    }
}

/// Which end of a connection somebody is.
package enum LinkRole: UInt8, Sendable {
    case dialer = 1
    case acceptor = 2

    var other: LinkRole { self == .dialer ? .acceptor : .dialer }
}

/// What a proof is about: all that both ends have said and shown, and who of them proves it.
struct LinkProof {
    private let message: [UInt8]

    init(by role: LinkRole, dialer: Hello, acceptor: Hello, dialerCertificate: [UInt8], acceptorCertificate: [UInt8]) {
        var message = Array("peer-tree node link".utf8)
        message.append(role.rawValue)
        for part in [Array(dialer.written.readableBytesView), Array(acceptor.written.readableBytesView)] {
            withUnsafeBytes(of: UInt32(clamping: part.count).bigEndian) { message += $0 }
            message += part
        }
        self.message = message + dialerCertificate + acceptorCertificate
    }

    /// A code for each secret.
    func codes(_ secrets: LinkSecrets) -> [ProofCode] {
        secrets.keys.map { ProofCode(bytes: Array(HMAC<SHA256>.authenticationCode(for: message, using: $0))) }
    }

    /// Whether a code was made with a valid secret. Takes as long whichever it was, and however much of it is right.
    func isProven(by codes: [ProofCode], _ secrets: LinkSecrets) -> Bool {
        var isProven = false
        for key in secrets.keys {
            for code in codes {
                let isRight = HMAC<SHA256>.isValidAuthenticationCode(code.bytes, authenticating: message, using: key)
                isProven = isRight || isProven
            }
        }
        return isProven
    }
}
