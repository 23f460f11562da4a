import NIOCore

/// Keeps from OpenSSL, while a handshake is under way, what would make it give the session up and cannot be the peer's.
///
/// Until the handshake is over nothing proves who sends: whoever can forge the peer's address can send messages of it,
/// too. What has no place in it is dropped here. Two things are neither passed on nor forgotten:
/// - an alert in the clear, which would end the handshake at once;
/// - a ClientHello other than the one being answered, as a client sends that had to begin anew.
///
/// Either counts only once the handshake has not come any further for a while, which a forger cannot bring about as long
/// as the true peer goes on.
struct HandshakeGuard {
    /// An alert, or another ClientHello, when the handshake was at this point.
    private struct Hint {
        var point: Int
        var at: NIODeadline
    }

    let role: DTLSSession.Role
    /// Random values of ServerHellos that belong to handshakes this side has given up.
    private let staleRandoms: Set<[UInt8]>
    /// Of the ClientHello being answered, or the ServerHello being followed.
    private(set) var random: [UInt8]?
    /// The last alert in the clear, by its code (RFC 8446 appendix B.2).
    private(set) var alert: UInt8?
    private var challenger: (random: [UInt8], datagram: [UInt8])?
    private var hint: Hint?

    /// A handshake that does not get any further for so long after a hint is given up for another.
    private let patience: TimeAmount
    /// No message of a handshake is larger, in bytes: certificates are what takes most.
    private static let maximumMessageLength = 32_768
    private static let maximumMessageNumber = 15

    private static let alertType: UInt8 = 21
    private static let handshakeType: UInt8 = 22
    private static let clientHello: UInt8 = 1
    private static let serverHello: UInt8 = 2

    init(role: DTLSSession.Role, patience: TimeAmount, staleRandoms: Set<[UInt8]>) {
        self.role = role
        self.patience = patience
        self.staleRandoms = staleRandoms
    }

    /// Whether OpenSSL may see a datagram of plausible records. `point` is where the handshake stands.
    mutating func admits(_ datagram: UnsafeRawBufferPointer, point: Int, at now: NIODeadline) -> Bool {
        if let hint, hint.point != point {
            // It goes on: whoever sent that was not the peer, or was behind.
            self.hint = nil
            self.challenger = nil
            self.alert = nil
        }
        var offset = 0
        while offset + 13 <= datagram.count {
            let length = Int(datagram[offset + 11]) << 8 | Int(datagram[offset + 12])
            let isClear = datagram[offset + 3] == 0 && datagram[offset + 4] == 0
            let body = UnsafeRawBufferPointer(rebasing: datagram[(offset + 13)..<(offset + 13 + length)])
            if isClear {
                switch datagram[offset] {
                case Self.alertType:
                    self.alert = body.count >= 2 ? body[1] : 0
                    self.note(point, now)
                    return false
                case Self.handshakeType:
                    guard self.admits(messages: body, datagram, point, now) else { return false }
                default:
                    break
                }
            }
            offset += 13 + length
        }
        // Before the client's first message there is nothing that a server could make sense of. A client that begins anew
        // must not take the rest of the server's old flight for the new one's; else it may come in any order.
        let mayBegin = self.role == .client && self.staleRandoms.isEmpty
        return self.random != nil || mayBegin || self.isBeginning(datagram)
    }

    /// When the handshake is to be given up, unless it gets further.
    var deadline: NIODeadline? {
        switch self.role {
        case .client: self.alert == nil ? nil : self.hint.map { $0.at + self.patience }
        case .server: self.challenger == nil ? nil : self.hint.map { $0.at + self.patience }
        }
    }

    /// Whether the peer has given up the handshake that stands at `point`, as far as can be told.
    func isOvertaken(point: Int, at now: NIODeadline) -> Bool {
        guard let hint, let deadline, hint.point == point else { return false }
        return deadline <= now
    }

    /// The ClientHello that a new handshake begins with.
    var challenge: [UInt8]? { self.challenger?.datagram }

    private mutating func note(_ point: Int, _ now: NIODeadline) {
        if self.hint == nil { self.hint = Hint(point: point, at: now) }
    }

    /// A fragment of a ClientHello, or a HelloVerifyRequest, which comes before a ServerHello.
    private func isBeginning(_ datagram: UnsafeRawBufferPointer) -> Bool {
        guard datagram.count > 13, datagram[0] == Self.handshakeType else { return false }
        return self.role == .server ? datagram[13] == Self.clientHello : datagram[13] == 3
    }

    /// Whether all messages in a record, or their fragments, are such as the peer may send (RFC 6347 section 4.2.2).
    private mutating func admits(
        messages: UnsafeRawBufferPointer,
        _ datagram: UnsafeRawBufferPointer,
        _ point: Int,
        _ now: NIODeadline
    ) -> Bool {
        var offset = 0
        repeat {
            guard messages.count - offset >= 12 else { return false }
            func number(_ index: Int) -> Int {
                Int(messages[offset + index]) << 16 | Int(messages[offset + index + 1]) << 8
                    | Int(messages[offset + index + 2])
            }
            let (length, start, count) = (number(1), number(6), number(9))
            let sequence = Int(messages[offset + 4]) << 8 | Int(messages[offset + 5])
            let type = messages[offset]
            guard length <= Self.maximumMessageLength, start + count <= length, sequence <= Self.maximumMessageNumber,
                offset + 12 + count <= messages.count, count > 0 || length == 0, self.isExpected(type, length)
            else { return false }
            if start == 0, count >= 34 {
                let body = offset + 12
                let random = Array(messages[(body + 2)..<(body + 34)])
                guard self.admits(type, random, datagram, point, now) else { return false }
            }
            offset += 12 + count
        } while offset < messages.count
        return true
    }

    private func isExpected(_ type: UInt8, _ length: Int) -> Bool {
        switch (self.role, type) {
        // ClientHello, Certificate, CertificateVerify, ClientKeyExchange.
        case (.server, 1): length >= 38
        case (.server, 11), (.server, 15), (.server, 16): length > 0
        // ServerHello, HelloVerifyRequest, Certificate, ServerKeyExchange, CertificateRequest, ServerHelloDone.
        case (.client, 2): length >= 38
        case (.client, 3), (.client, 11), (.client, 12), (.client, 13): length > 0
        case (.client, 14): length == 0
        default: false
        }
    }

    /// A hello: the one this handshake is with, or another?
    private mutating func admits(
        _ type: UInt8,
        _ random: [UInt8],
        _ datagram: UnsafeRawBufferPointer,
        _ point: Int,
        _ now: NIODeadline
    ) -> Bool {
        switch type {
        case Self.clientHello where self.random == nil || self.random == random:
            self.random = random
            return true
        case Self.clientHello:
            self.challenger = (random, Array(datagram))
            self.note(point, now)
            return false
        case Self.serverHello:
            guard !self.staleRandoms.contains(random) else { return false }
            self.random = self.random ?? random
            return true
        default:
            return true
        }
    }
}
