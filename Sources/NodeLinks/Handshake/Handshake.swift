package import NIOCore
import StateMachine

/// Who a node is, and how it shows that.
package struct LinkIdentity: Sendable {
    package let name: NodeName
    /// Of this process.
    package let run: LinkID
    package var secrets: LinkSecrets
    package var versions = LinkVersions.spoken

    package init(name: NodeName, run: LinkID, secrets: LinkSecrets) {
        self.name = name
        self.run = run
        self.secrets = secrets
    }
}

/// A node that knows the secret.
package struct ProvenNode: Hashable, Sendable {
    package let name: NodeName
    package let run: LinkID
    /// The version that is spoken with it.
    package let version: UInt16
}

/// The beginning of a connection, until both ends have proved that they know the secret.
///
/// The dialer says hello, then the acceptor; the dialer proves, then the acceptor. So an acceptor tells nothing that is
/// made with the secret to whoever does not know it.
package struct Handshake: Sendable {
    package enum Input {
        case frame(LinkFrame)
        case deadlineReached
    }

    package enum Output: Sendable {
        case send(LinkFrame)
        case proven(ProvenNode)
        /// The connection is to be closed, after what was sent.
        case refused(LinkRefusal, by: LinkEvent.Refuser)
    }

    private enum Phase {
        case hello
        case proof(Hello, version: UInt16)
        case done
    }

    private let role: LinkRole
    private let identity: LinkIdentity
    private let expected: NodeName?
    private let certificates: LinkCertificates
    private let own: Hello
    private let limit: NIODeadline
    private var phase = Phase.hello
    private var outputs = OutputQueue<Output>()

    /// - Parameters:
    ///   - expected: whom the dialer dialed.
    ///   - limit: when it has taken too long.
    package init(
        _ role: LinkRole,
        _ identity: LinkIdentity,
        expected: NodeName?,
        certificates: LinkCertificates,
        nonce: LinkNonce,
        limit: NIODeadline
    ) {
        self.role = role
        self.identity = identity
        self.expected = expected
        self.certificates = certificates
        self.limit = limit
        own = Hello(versions: identity.versions, name: identity.name, run: identity.run, nonce: nonce)
        if role == .dialer { outputs.append(.send(.hello(own))) }
    }

    /// When `.deadlineReached` is due.
    package var deadline: NIODeadline? {
        if case .done = phase { nil } else { limit }
    }

    package mutating func nextOutput() -> Output? { outputs.next() }

    package mutating func handle(_ input: Input, at now: NIODeadline) {
        switch (phase, input) {
        case (.done, _): break
        case (_, .deadlineReached): if now >= limit { refuse(.tooSlow) }
        case (_, .frame(.refuse(let refusal))):
            phase = .done
            outputs.append(.refused(refusal, by: .other))
        case (.hello, .frame(.hello(let hello))): handle(hello)
        case (.proof(let hello, let version), .frame(.proof(let codes))): handle(codes, of: hello, version)
        case (_, .frame(let frame)): refuse(.violation(.unexpected(frame.kind)))
        }
    }

    private mutating func handle(_ hello: Hello) {
        guard let version = identity.versions.common(with: hello.versions) else {
            return refuse(.version(identity.versions))
        }
        guard hello.name != identity.name, hello.run != identity.run else { return refuse(.sameName(hello.name)) }
        if let expected, hello.name != expected { return refuse(.otherNode(expected: expected, found: hello.name)) }
        phase = .proof(hello, version: version)
        switch role {
        case .dialer: outputs.append(.send(.proof(proof(by: .dialer, with: hello).codes(identity.secrets))))
        case .acceptor: outputs.append(.send(.hello(own)))
        }
    }

    private mutating func handle(_ codes: [ProofCode], of hello: Hello, _ version: UInt16) {
        guard proof(by: role.other, with: hello).isProven(by: codes, identity.secrets) else {
            return refuse(.wrongSecret)
        }
        if role == .acceptor {
            outputs.append(.send(.proof(proof(by: .acceptor, with: hello).codes(identity.secrets))))
        }
        phase = .done
        outputs.append(.proven(ProvenNode(name: hello.name, run: hello.run, version: version)))
    }

    private func proof(by prover: LinkRole, with other: Hello) -> LinkProof {
        let isDialer = role == .dialer
        return LinkProof(
            by: prover,
            dialer: isDialer ? own : other,
            acceptor: isDialer ? other : own,
            dialerCertificate: isDialer ? certificates.own : certificates.other,
            acceptorCertificate: isDialer ? certificates.other : certificates.own
        )
    }

    private mutating func refuse(_ refusal: LinkRefusal) {
        phase = .done
        outputs.append(.send(.refuse(refusal)))
        outputs.append(.refused(refusal, by: .this))
    }
}
