import NIOCore
import StateMachine

/// A full ICE agent for one component (RFC 8445), with trickle (RFC 8838) and consent freshness (RFC 7675), as a state
/// machine: `handle` an input, drain `nextOutput()`, call again with `.timeout` at `deadline`.
///
/// Its local side is a list of *bases*: sockets and TURN allocations, named by a number that only the driver
/// understands.
struct ICEAgent {
    /// Who decides which pair is used (RFC 8445 section 6.1.1).
    enum Role: Sendable {
        case controlling
        case controlled
    }

    /// `a=ice-ufrag` and `a=ice-pwd`.
    struct Credentials: Hashable, Sendable {
        var usernameFragment: String
        var password: String
    }

    enum Input {
        case localCandidate(ICECandidate, base: Int)
        /// There will be no more local candidates, unless the network changes.
        case endOfLocalCandidates
        /// The base exists no longer: a TURN allocation was lost.
        case removeBase(Int)
        /// The host's addresses changed: every path has to prove itself anew.
        case networkChanged
        case remoteCredentials(Credentials)
        case remoteCandidate(ICECandidate)
        case endOfRemoteCandidates
        case message(STUNDecoder, from: TransportAddress, base: Int)
        case timeout
    }

    enum Output {
        case send([UInt8], to: TransportAddress, base: Int)
        /// The peer sent a request of so many bytes and put this address on it.
        case heard(TransportAddress, base: Int, bytes: Int)
        /// The peer answered what was sent to this address: it is there.
        case proved(TransportAddress, base: Int)
        /// Data now goes to this pair.
        case use(CandidatePair)
        case state(ICEConnectionState)
        /// A message that was not answered, and why.
        case discarded(Discard)
    }

    enum Discard: Sendable {
        case notAuthentic
        case unknownTransaction
        case unexpected
    }

    let local: Credentials
    private(set) var remote: Credentials?
    private(set) var role: Role
    private(set) var state = ICEConnectionState.new
    /// The pair that data uses.
    var selected: CandidatePair? { self.checklist.selected }

    let configuration: ICEConfiguration
    let connection: UInt32
    let tieBreaker: UInt64
    var random: any RandomNumberGenerator

    var candidates = CandidateTable()
    var checklist = Checklist()
    var transactions = CheckTransactions()
    /// Checks that came before the answer did.
    var early: [(request: STUNMessage, source: TransportAddress, base: Int)] = []
    var doubt = Doubt()
    var due = DueTimes()
    private var outputs = OutputQueue<Output>()

    /// When what is to be done; nil for what is not.
    struct DueTimes {
        var check: NIODeadline?
        var nomination: NIODeadline?
        var consent: NIODeadline?
        /// No pair has worked until then: the agent gives up.
        var failure: NIODeadline?

        var all: [NIODeadline?] { [self.check, self.nomination, self.consent, self.failure] }
    }

    init(
        role: Role,
        connection: UInt32,
        configuration: ICEConfiguration,
        random: any RandomNumberGenerator
    ) {
        self.role = role
        self.connection = connection
        self.configuration = configuration
        self.random = random
        self.local = Credentials(
            usernameFragment: Self.token(8, &self.random),
            password: Self.token(24, &self.random)
        )
        self.tieBreaker = UInt64.random(in: .min ... .max, using: &self.random)
    }

    /// Sets the role before any check was sent: the offerer controls (RFC 8445 section 6.1.1).
    mutating func assume(_ role: Role) {
        self.role = role
    }

    mutating func switchRole(to role: Role) {
        self.role = role
        for index in self.checklist.pairs.indices {
            self.checklist.pairs[index].priority = self.priority(of: self.checklist.pairs[index])
        }
    }

    mutating func handle(_ input: Input, at now: NIODeadline) {
        guard self.state != .closed, self.state != .failed else { return }
        switch input {
        case .localCandidate(let candidate, let base):
            self.add(local: candidate, base: base, at: now)
        case .endOfLocalCandidates:
            self.candidates.isLocalComplete = true
        case .removeBase(let base):
            self.remove(base: base, at: now)
        case .networkChanged:
            self.networkChanged(at: now)
        case .remoteCredentials(let credentials):
            self.setRemote(credentials, at: now)
        case .remoteCandidate(let candidate):
            self.add(remote: candidate, at: now)
        case .endOfRemoteCandidates:
            self.candidates.isRemoteComplete = true
        case .message(let decoder, let source, let base):
            self.receive(decoder, from: source, base: base, at: now)
        case .timeout:
            break
        }
        self.runTimers(at: now)
    }

    mutating func nextOutput() -> Output? { self.outputs.next() }

    /// When to call `handle(.timeout)` next. Nil when nothing is due.
    var deadline: NIODeadline? {
        guard self.state != .closed, self.state != .failed else { return nil }
        let times = (self.due.all + [self.doubt.nextAt]).compactMap { $0 }
        let checks = self.checklist.pairs.lazy.filter { $0.state == .inProgress }.compactMap(\.retransmitAt)
        return [times.min(), checks.min()].compactMap { $0 }.min()
    }

    mutating func emit(_ output: Output) {
        self.outputs.append(output)
    }

    mutating func move(to state: ICEConnectionState) {
        guard state != self.state else { return }
        self.state = state
        self.emit(.state(state))
    }

    mutating func close() {
        self.move(to: .closed)
    }

    /// A random string of ice-chars with six bits of entropy each (RFC 8839 section 5.4).
    private static func token(_ count: Int, _ random: inout any RandomNumberGenerator) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        return String((0..<count).map { _ in alphabet[Int(random.next() & 63)] })
    }

    /// Before anything was paired: the application has changed which candidates to use.
    mutating func forgetLocalCandidates() {
        guard self.remote == nil else { return }
        self.candidates.removeLocal()
    }

    private mutating func setRemote(_ credentials: Credentials, at now: NIODeadline) {
        guard self.remote == nil else { return }
        self.remote = credentials
        self.due.failure = now + self.configuration.connectTimeout
        self.move(to: .checking)
        for candidate in self.candidates.remote { self.pair(with: candidate, at: now) }
        let early = self.early
        self.early = []
        for check in early { self.noticeCheck(check.request, from: check.source, base: check.base, at: now) }
    }
}
