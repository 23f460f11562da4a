import NIOCore
import TestSupport

@testable import WebRTC

/// Two or more agents joined by a simulated network, in simulated time.
final class ICESimulation {
    struct Packet {
        var at: NIODeadline
        var order: Int
        var bytes: [UInt8]
        var from: TransportAddress
        var to: TransportAddress
    }

    /// A NAT in front of one agent: which address it shows to whom, and whom it lets in.
    struct NAT {
        enum Kind: CaseIterable {
            /// One address for all destinations; only those sent to may answer (RFC 4787: address- and port-dependent
            /// filtering).
            case portPreserving
            /// Another port for every destination.
            case symmetric
        }

        let kind: Kind
        let external: TransportAddress
        private var ports: [TransportAddress: UInt16] = [:]
        private var allowed: Set<[TransportAddress]> = []
        private var nextPort: UInt16 = 30_000

        init(_ kind: Kind, external: TransportAddress) {
            self.kind = kind
            self.external = external
        }

        mutating func translate(_ source: TransportAddress, to destination: TransportAddress) -> TransportAddress {
            let seen: TransportAddress
            switch self.kind {
            case .portPreserving:
                seen = self.external.with(port: source.port)
            case .symmetric:
                if self.ports[destination] == nil {
                    self.ports[destination] = self.nextPort
                    self.nextPort += 7
                }
                seen = self.external.with(port: self.ports[destination] ?? 0)
            }
            self.allowed.insert([seen, destination])
            return seen
        }

        func admits(from source: TransportAddress, to destination: TransportAddress) -> Bool {
            self.allowed.contains([destination, source])
        }
    }

    var agents: [ICEAgent]
    /// What each agent sends from, and by which address a NAT shows it to the others.
    var addresses: [TransportAddress]
    var translated: [TransportAddress?] = [nil, nil]
    var nats: [NAT?] = [nil, nil]
    /// Addresses of TURN servers: base 1 of each agent that has one.
    var relays: [TransportAddress?] = [nil, nil]
    /// Remote addresses that no packet reaches.
    var unreachable: Set<TransportAddress> = []
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var loss = 0.0
    var latency = TimeAmount.milliseconds(10)
    var random: SeededGenerator
    var inFlight: [Packet] = []
    var states: [[ICEConnectionState]] = [[], []]
    var sent = 0
    private var order = 0

    init(seed: UInt64, roles: [ICEAgent.Role] = [.controlling, .controlled], configuration: ICEConfiguration = .init())
    {
        self.random = SeededGenerator(seed: seed)
        self.addresses = [1, 2].map { TransportAddress(ipv4: 0x0A00_0000 + $0, port: 1000 + UInt16($0)) }
        self.agents = roles.enumerated().map { index, role in
            ICEAgent(
                role: role,
                connection: UInt32(index),
                configuration: configuration,
                random: SeededGenerator(seed: seed &* 2 &+ UInt64(index))
            )
        }
    }

    static func candidate(_ address: TransportAddress, preference: UInt16 = .max) -> ICECandidate {
        ICECandidate(
            foundation: "1",
            priority: ICECandidate.priority(type: .host, localPreference: preference),
            address: address,
            type: .host
        )
    }

    func gather() {
        for index in self.agents.indices {
            self.feed(index, .localCandidate(Self.candidate(self.addresses[index]), base: 0))
        }
    }

    /// Gives one agent what the other would signal.
    func signal(to index: Int, candidates: Bool = true) {
        let other = self.agents[1 - index]
        self.feed(index, .remoteCredentials(other.local))
        if candidates { self.feed(index, .remoteCandidate(Self.candidate(self.addresses[1 - index]))) }
        self.feed(index, .endOfRemoteCandidates)
    }

    func feed(_ index: Int, _ input: ICEAgent.Input) {
        self.agents[index].handle(input, at: self.now)
        while let output = self.agents[index].nextOutput() {
            switch output {
            case .send(let bytes, let to, let base): self.send(bytes, from: index, base: base, to: to)
            case .state(let state): self.states[index].append(state)
            case .use, .heard, .proved, .discarded: break
            }
        }
    }

    private func send(_ bytes: [UInt8], from index: Int, base: Int, to: TransportAddress) {
        self.sent += 1
        let from = self.source(of: index, base: base, to: to)
        guard !self.unreachable.contains(to), Double.random(in: 0..<1, using: &self.random) >= self.loss else { return }
        self.order += 1
        self.inFlight.append(Packet(at: self.now + self.latency, order: self.order, bytes: bytes, from: from, to: to))
    }

    /// Runs until the condition holds; false when the time is over first.
    func run(for duration: TimeAmount, until condition: (ICESimulation) -> Bool = { _ in false }) -> Bool {
        let end = self.now + duration
        while !condition(self) {
            let next = self.inFlight.min { ($0.at, $0.order) < ($1.at, $1.order) }
            let due = (self.agents.compactMap(\.deadline) + (next.map { [$0.at] } ?? [])).min()
            guard let due, due <= end else {
                self.now = end
                return condition(self)
            }
            self.now = max(self.now, due)
            if let next, next.at <= self.now {
                self.inFlight.removeAll { $0.order == next.order }
                self.deliver(next)
            }
            for index in self.agents.indices where self.agents[index].deadline.map({ $0 <= self.now }) ?? false {
                self.feed(index, .timeout)
            }
        }
        return true
    }

    private func source(of index: Int, base: Int, to: TransportAddress) -> TransportAddress {
        if base == 1, let relay = self.relays[index] { return relay }
        if self.nats[index] != nil {
            return self.nats[index]?.translate(self.addresses[index], to: to) ?? self.addresses[index]
        }
        return self.translated[index] ?? self.addresses[index]
    }

    private func deliver(_ packet: Packet) {
        guard let decoder = try? STUNDecoder(packet.bytes), let (target, base) = self.target(of: packet) else { return }
        self.feed(target, .message(decoder, from: packet.from, base: base))
    }

    private func target(of packet: Packet) -> (index: Int, base: Int)? {
        for index in self.agents.indices {
            if self.relays[index] == packet.to { return (index, 1) }
            if let nat = self.nats[index] {
                if nat.admits(from: packet.from, to: packet.to) { return (index, 0) }
            } else if self.addresses[index] == packet.to || self.translated[index] == packet.to {
                return (index, 0)
            }
        }
        return nil
    }

    /// Both use the same path: what one sends to is where the other sends from.
    var isAgreed: Bool {
        guard let first = self.agents[0].selected, let second = self.agents[1].selected else { return false }
        return first.valid?.address == second.remote.address && second.valid?.address == first.remote.address
    }

    var isNominated: Bool { self.agents.allSatisfy { $0.selected?.isNominated == true } }
}
