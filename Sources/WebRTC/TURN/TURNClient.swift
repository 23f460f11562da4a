import NIOCore
import StateMachine

/// One allocation at a TURN server (RFC 8656), as a state machine: `handle` an input, drain `nextOutput()`, call again
/// with `.timeout` at `deadline`.
///
/// It knows nothing of sockets. Whoever has one frames data with `framing(to:)` and asks `peer(ofChannel:)` whose the
/// data is that comes on a channel. Nothing from a peer without a permission is ever passed on.
struct TURNClient {
    enum Input {
        /// Ask for an allocation.
        case start
        /// A STUN message from the server's address, whatever it says.
        case message(STUNDecoder)
        /// Let a peer's IP address send to the relay, and keep it so while it is used.
        case permit(TransportAddress)
        /// Give a peer a channel, whose header is 4 bytes instead of 36.
        case bindChannel(TransportAddress)
        /// Find out at once whether the server still knows this client: the host's addresses changed, or the relay is
        /// suspiciously silent.
        case probe
        /// Give the allocation back.
        case close
        case timeout
    }

    enum Output {
        /// To the server.
        case send([UInt8])
        /// The relay exists: its address, and this client's as the server sees it.
        case allocated(relayed: TransportAddress, mapped: TransportAddress?)
        /// Peers at this IP address (its port is 0) may now be sent to.
        case permitted(TransportAddress)
        /// The server refuses to relay to this IP address.
        case denied(TransportAddress)
        /// A datagram from a peer.
        case data(ArraySlice<UInt8>, from: TransportAddress)
        /// Something that came from no permitted peer, or answers no request.
        case discarded
        /// The server names another one, which to ask instead (RFC 8489 section 10).
        case redirected(TransportAddress)
        /// There is no allocation, or none any more.
        case failed(TURNError)
    }

    /// How a datagram to a peer must be wrapped.
    enum Framing: Equatable {
        case channel(UInt16)
        case indication
        /// There is no permission yet.
        case blocked
    }

    enum State: Equatable {
        case idle
        case allocating
        case allocated
        case over
    }

    struct Credentials: Hashable, Sendable {
        var username: String
        var password: String
    }

    let id: UInt32
    let configuration: TURNConfiguration
    private(set) var state = State.idle
    private(set) var relayedAddress: TransportAddress?
    var permissions: [TransportAddress: Permission] = [:]
    var channels = RelayChannels()
    var transactions: [UInt64: Transaction] = [:]
    var refreshAt: NIODeadline?
    private var authentication: TURNAuthentication
    private var hasReleased = false
    private var family: TransportAddress.Family
    private var random: any RandomNumberGenerator
    private var outputs = OutputQueue<Output>()

    struct Permission {
        enum State: Equatable {
            case requested
            case granted
            case denied
        }
        var state: State
        /// When to ask again, for a permission in use, or to forget it.
        var renewAt: NIODeadline
        var isUsed = true
    }

    struct Transaction {
        enum Kind {
            case allocate
            case refresh
            /// The end of an older allocation of this client's address, which is in the way of a new one.
            case release
            case permissions([TransportAddress])
            case channel(TransportAddress)
        }
        var kind: Kind
        var bytes: [UInt8]
        var attempts = 1
        var nextAt: NIODeadline
        var staleNonces = 0
        var isAuthenticated: Bool
        /// The one it was signed with.
        var nonce: [UInt8]?
    }

    /// - Parameters:
    ///   - id: the first 32 bits of its transactions, by which the transport finds it.
    ///   - family: the IP version of the relay to ask for.
    init(
        id: UInt32,
        credentials: Credentials,
        family: TransportAddress.Family,
        configuration: TURNConfiguration,
        random: any RandomNumberGenerator
    ) {
        self.id = id
        self.authentication = TURNAuthentication(credentials)
        self.family = family
        self.configuration = configuration
        self.random = random
    }

    mutating func handle(_ input: Input, at now: NIODeadline) {
        guard self.state != .over else { return }
        switch input {
        case .start:
            guard self.state == .idle else { break }
            self.state = .allocating
            self.request(.allocate, at: now)
        case .message(let decoder): self.receive(decoder, at: now)
        case .permit(let peer): self.permit(peer, at: now)
        case .bindChannel(let peer): self.bindChannel(peer, at: now)
        case .probe: self.probe(at: now)
        case .close: self.close(at: now)
        case .timeout: break
        }
        self.runTimers(at: now)
    }

    mutating func nextOutput() -> Output? { self.outputs.next() }

    mutating func emit(_ output: Output) {
        self.outputs.append(output)
    }

    /// When to call `handle(.timeout)` next. Nil when nothing is due.
    var deadline: NIODeadline? {
        guard self.state != .over else { return nil }
        var earliest = self.refreshAt
        func consider(_ candidate: NIODeadline) { earliest = earliest.map { min($0, candidate) } ?? candidate }
        for transaction in self.transactions.values { consider(transaction.nextAt) }
        for permission in self.permissions.values where permission.state != .requested { consider(permission.renewAt) }
        if let renewAt = self.channels.renewAt { consider(renewAt) }
        return earliest
    }

    // MARK: - Requests

    mutating func request(_ kind: Transaction.Kind, staleNonces: Int = 0, at now: NIODeadline) {
        let nonce = UInt64.random(in: .min ... .max, using: &self.random)
        let message = self.message(for: kind, nonce: nonce)
        let bytes = message.encoded(key: self.authentication.key)
        self.transactions[nonce] = Transaction(
            kind: kind,
            bytes: bytes,
            nextAt: now + self.configuration.wait(afterAttempt: 1),
            staleNonces: staleNonces,
            isAuthenticated: self.authentication.key != nil,
            nonce: self.authentication.nonce
        )
        self.emit(.send(bytes))
    }

    private func message(for kind: Transaction.Kind, nonce: UInt64) -> STUNMessage {
        var message = STUNMessage(
            messageClass: .request,
            transactionID: STUNTransactionID(connection: self.id, nonce: nonce)
        )
        switch kind {
        case .allocate:
            message.method = STUNMessage.allocateMethod
            message.turn.requestsUDP = true
            message.turn.lifetime = self.configuration.lifetimeSeconds
            // Servers that know only IPv4 need not know the attribute.
            message.turn.requestedFamily = self.family == .ipv6 ? .ipv6 : nil
        case .refresh:
            message.method = STUNMessage.refreshMethod
            message.turn.lifetime = self.configuration.lifetimeSeconds
        case .release:
            message.method = STUNMessage.refreshMethod
            message.turn.lifetime = 0
        case .permissions(let peers):
            message.method = STUNMessage.createPermissionMethod
            message.turn.peerAddresses = peers
        case .channel(let peer):
            message.method = STUNMessage.channelBindMethod
            message.turn.channelNumber = self.channels[peer]?.number
            message.turn.peerAddresses = [peer]
        }
        self.authentication.sign(&message)
        return message
    }

    private mutating func close(at now: NIODeadline) {
        if self.state == .allocated {
            var message = STUNMessage(
                messageClass: .request,
                method: STUNMessage.refreshMethod,
                transactionID: STUNTransactionID(connection: self.id, nonce: self.random.next())
            )
            message.turn.lifetime = 0
            self.authentication.sign(&message)
            self.emit(.send(message.encoded(key: self.authentication.key)))
        }
        self.state = .over
        self.transactions = [:]
    }

    private mutating func probe(at now: NIODeadline) {
        let isAsked = self.transactions.values.contains { transaction in
            if case .refresh = transaction.kind { true } else { false }
        }
        guard self.state == .allocated, !isAsked else { return }
        self.request(.refresh, at: now)
    }

    // MARK: - Responses

    private mutating func receive(_ decoder: STUNDecoder, at now: NIODeadline) {
        let message = decoder.message
        switch message.messageClass {
        case .indication: return self.receiveIndication(message)
        case .request: return self.emit(.discarded)
        case .success, .error: break
        }
        guard message.transactionID.connection == self.id,
            let transaction = self.transactions[message.transactionID.nonce]
        else { return self.emit(.discarded) }
        if message.messageClass == .success {
            // Errors may come without integrity (401 and 438 must); a success that matters may not.
            guard !transaction.isAuthenticated || decoder.isAuthentic(key: self.authentication.key ?? []) else {
                return self.emit(.discarded)
            }
            self.transactions[message.transactionID.nonce] = nil
            self.succeed(transaction, message, at: now)
        } else {
            self.transactions[message.transactionID.nonce] = nil
            self.receiveError(transaction, message, at: now)
        }
    }

    private mutating func receiveError(_ transaction: Transaction, _ message: STUNMessage, at now: NIODeadline) {
        let code = message.errorCode ?? 0
        switch code {
        // A server that was restarted knows nothing of its old nonces, and may answer 401 instead of 438.
        case 401 where !transaction.isAuthenticated || message.turn.nonce != transaction.nonce, 438:
            guard transaction.staleNonces < self.configuration.maximumStaleNonces,
                self.authentication.challenge(message)
            else { return self.failRequest(transaction, .unauthorized, at: now) }
            self.request(transaction.kind, staleNonces: transaction.staleNonces + 1, at: now)
        case 300:
            guard case .allocate = transaction.kind, let server = message.turn.alternateServer, server.isUnicast else {
                return self.failRequest(transaction, .malformed, at: now)
            }
            self.end()
            self.emit(.redirected(server))
        case 440 where self.family == .ipv6 && self.state == .allocating:
            // A relay of the other version is better than none.
            self.family = .ipv4
            self.request(.allocate, at: now)
        case 437 where self.state == .allocating && !self.hasReleased:
            // The server has kept what this client gave up, as when it could not be reached for a while.
            self.hasReleased = true
            self.request(.release, at: now)
        default:
            self.failRequest(transaction, TURNError(code: code), at: now)
        }
    }

    mutating func failRequest(_ transaction: Transaction, _ error: TURNError, at now: NIODeadline) {
        switch transaction.kind {
        case .allocate, .refresh, .release:
            self.end()
            self.emit(.failed(error))
        case .permissions(let peers):
            self.permissionsFailed(peers, error, at: now)
        case .channel(let peer):
            self.channelFailed(peer, error, at: now)
        }
    }

    private mutating func succeed(_ transaction: Transaction, _ message: STUNMessage, at now: NIODeadline) {
        switch transaction.kind {
        case .allocate:
            guard let relayed = message.turn.relayedAddress, relayed.isUnicast else {
                return self.failRequest(transaction, .malformed, at: now)
            }
            self.state = .allocated
            self.relayedAddress = relayed
            self.scheduleRefresh(message.turn.lifetime, at: now)
            self.emit(.allocated(relayed: relayed, mapped: message.mappedAddress))
        case .refresh:
            self.scheduleRefresh(message.turn.lifetime, at: now)
        case .release:
            self.request(.allocate, at: now)
        case .permissions(let peers):
            self.permissionsGranted(peers, at: now)
        case .channel(let peer):
            self.channelBound(peer, at: now)
        }
    }

    private mutating func scheduleRefresh(_ lifetime: UInt32?, at now: NIODeadline) {
        let seconds = Int64(lifetime ?? self.configuration.lifetimeSeconds)
        // A minute before it ends, or halfway where a minute is all there is.
        self.refreshAt = now + .seconds(max(1, max(seconds - 60, seconds / 2)))
    }

    private mutating func end() {
        self.state = .over
        self.transactions = [:]
    }

    // MARK: - Timers

    private mutating func runTimers(at now: NIODeadline) {
        guard self.state != .over else { return }
        for (nonce, transaction) in self.transactions where transaction.nextAt <= now {
            guard transaction.attempts < self.configuration.attempts(isReliableStream: self.configuration.isStream)
            else {
                self.transactions[nonce] = nil
                self.failRequest(transaction, .unreachable, at: now)
                if self.state == .over { return }
                continue
            }
            let nextAt = now + self.configuration.wait(afterAttempt: transaction.attempts + 1)
            self.transactions[nonce]?.attempts += 1
            self.transactions[nonce]?.nextAt = nextAt
            self.emit(.send(transaction.bytes))
        }
        if let due = self.refreshAt, due <= now {
            self.refreshAt = nil
            self.request(.refresh, at: now)
        }
        self.renewPermissions(at: now)
        self.renewChannels(at: now)
    }
}
