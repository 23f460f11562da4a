import NIOCore
import StateMachine

/// Asks a STUN server for the address it sees (RFC 8489 section 12, RFC 8445 section 5.1.1.2), and keeps asking, so
/// that the NAT's mapping stays and a change of it is noticed: `handle` an input, drain `nextOutput()`, call again with
/// `.timeout` at `deadline`.
struct STUNBinding {
    enum Input {
        /// Ask now: at the beginning, and when the host's addresses have changed.
        case start
        /// A STUN message from the server's address.
        case message(STUNDecoder)
        case timeout
    }

    enum Output {
        case send([UInt8])
        /// The address the server sees; again only when it has changed.
        case mapped(TransportAddress)
        /// An answer to no question.
        case discarded
        case failed
    }

    let id: UInt32
    private let retransmission: TimeAmount
    private let maximumAttempts: Int
    private let keepAlive: TimeAmount
    private var random: any RandomNumberGenerator
    private(set) var mapped: TransportAddress?
    private var request: (nonce: UInt64, bytes: [UInt8], attempts: Int)?
    private var nextAt: NIODeadline?
    private var outputs = OutputQueue<Output>()

    init(id: UInt32, configuration: ICEConfiguration, random: any RandomNumberGenerator) {
        self.id = id
        self.retransmission = configuration.serverRetransmission
        self.maximumAttempts = max(1, configuration.serverAttempts)
        self.keepAlive = configuration.serverKeepAlive
        self.random = random
    }

    var deadline: NIODeadline? { self.nextAt }

    mutating func nextOutput() -> Output? { self.outputs.next() }

    mutating func handle(_ input: Input, at now: NIODeadline) {
        switch input {
        case .start: self.ask(at: now)
        case .message(let decoder): self.receive(decoder, at: now)
        case .timeout:
            guard let due = self.nextAt, due <= now else { return }
            if self.request == nil { self.ask(at: now) } else { self.repeatRequest(at: now) }
        }
    }

    private mutating func ask(at now: NIODeadline) {
        let nonce = UInt64.random(in: .min ... .max, using: &self.random)
        let message = STUNMessage(
            messageClass: .request,
            transactionID: STUNTransactionID(connection: self.id, nonce: nonce)
        )
        self.request = (nonce, message.encoded(key: nil), 0)
        self.repeatRequest(at: now)
    }

    private mutating func repeatRequest(at now: NIODeadline) {
        guard let request, request.attempts < self.maximumAttempts else {
            self.request = nil
            // It may come back: the mapping is wanted as long as anybody uses this server.
            self.nextAt = now + self.keepAlive
            self.outputs.append(.failed)
            return
        }
        self.request?.attempts += 1
        self.nextAt = now + min(self.retransmission * (1 << min(request.attempts, 8)), .seconds(2))
        self.outputs.append(.send(request.bytes))
    }

    private mutating func receive(_ decoder: STUNDecoder, at now: NIODeadline) {
        let message = decoder.message
        guard let request, message.method == STUNMessage.bindingMethod,
            message.transactionID == STUNTransactionID(connection: self.id, nonce: request.nonce)
        else { return self.outputs.append(.discarded) }
        self.request = nil
        self.nextAt = now + self.keepAlive
        guard message.messageClass == .success, let address = message.mappedAddress, address.isUnicast else {
            return self.outputs.append(.failed)
        }
        guard address != self.mapped else { return }
        self.mapped = address
        self.outputs.append(.mapped(address))
    }
}
