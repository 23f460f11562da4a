import NIOCore

/// Drives a `STUNBinding` over one of the transport's sockets.
final class ReflexiveSession: ServerSession {
    let context: SessionContext
    private(set) var isSettled = false
    private(set) var candidates: [GatheredCandidate] = []
    private let base: Int
    private let driver: ExchangeDriver<STUNBinding>

    init(_ context: SessionContext, base: Int) {
        self.context = context
        self.base = base
        self.driver = ExchangeDriver(
            STUNBinding(
                id: context.id,
                configuration: context.core.configuration.ice,
                random: SystemRandomNumberGenerator()
            ),
            on: context.core.eventLoop
        )
    }

    func start() { self.driver.start(with: .start) { [unowned self] in self.perform($0) } }
    func networkChanged() { self.driver.feed(.start) }
    func receive(_ decoder: STUNDecoder) { self.driver.feed(.message(decoder)) }
    func close() { self.driver.stop() }

    private func perform(_ output: STUNBinding.Output) {
        switch output {
        case .send(let bytes): self.core.sendToServer(bytes, self.server, base: self.base)
        case .mapped(let address): self.found(address)
        case .failed: self.settle()
        case .discarded: self.core.counters.droppedUnauthenticSTUN &+= 1
        }
    }

    private func found(_ address: TransportAddress) {
        let preference = self.context.preference
        if let gathered = self.core.reflexiveCandidate(address, base: self.base, preference: preference) {
            self.candidates = [gathered]
            self.context.onEvent(.found(gathered))
        }
        self.settle()
    }

    private func settle() {
        guard !self.isSettled else { return }
        self.isSettled = true
        self.context.onEvent(.changed)
    }
}
