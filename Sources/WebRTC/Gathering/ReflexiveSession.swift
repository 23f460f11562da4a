import NIOCore

/// Drives a `STUNBinding` over one of the transport's sockets.
final class ReflexiveSession: ServerSession {
    let id: UInt32
    let server: TransportAddress
    private(set) var isSettled = false
    private(set) var candidates: [GatheredCandidate] = []
    private unowned let core: TransportCore
    private let base: Int
    private let preference: UInt16
    private let onEvent: (ServerSessionEvent) -> Void
    private var binding: STUNBinding
    private var timer: DeadlineTimer?

    init(
        id: UInt32,
        server: TransportAddress,
        base: Int,
        preference: UInt16,
        core: TransportCore,
        onEvent: @escaping (ServerSessionEvent) -> Void
    ) {
        self.id = id
        self.server = server
        self.base = base
        self.preference = preference
        self.core = core
        self.onEvent = onEvent
        self.binding = STUNBinding(
            id: id,
            configuration: core.configuration.ice,
            random: SystemRandomNumberGenerator()
        )
        self.timer = DeadlineTimer(on: core.eventLoop) { [unowned self] in self.feed(.timeout) }
    }

    func start() { self.feed(.start) }
    func networkChanged() { self.feed(.start) }
    func receive(_ decoder: STUNDecoder) { self.feed(.message(decoder)) }
    func close() { self.timer?.cancel() }

    private func feed(_ input: STUNBinding.Input) {
        self.binding.handle(input, at: .now())
        while let output = self.binding.nextOutput() {
            switch output {
            case .send(let bytes): self.core.sendToServer(bytes, self.server, base: self.base)
            case .mapped(let address): self.found(address)
            case .failed: self.settle()
            case .discarded: self.core.counters.droppedUnauthenticSTUN &+= 1
            }
        }
        self.timer?.follow(self.binding.deadline)
    }

    private func found(_ address: TransportAddress) {
        if let gathered = self.core.reflexiveCandidate(address, base: self.base, preference: self.preference) {
            self.candidates = [gathered]
            self.onEvent(.found(gathered))
        }
        self.settle()
    }

    private func settle() {
        guard !self.isSettled else { return }
        self.isSettled = true
        self.onEvent(.changed)
    }
}
