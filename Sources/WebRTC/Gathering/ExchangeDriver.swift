import NIOCore

/// The state machine of an exchange with a STUN or TURN server.
protocol ServerExchange {
    associatedtype Input
    associatedtype Output
    /// The input for a deadline that has come.
    static var timeoutInput: Input { get }
    var deadline: NIODeadline? { get }
    mutating func handle(_ input: Input, at now: NIODeadline)
    mutating func nextOutput() -> Output?
}

extension STUNBinding: ServerExchange {
    static var timeoutInput: Input { .timeout }
}

extension TURNClient: ServerExchange {
    static var timeoutInput: Input { .timeout }
}

/// Drives one exchange: performs what it puts out, and wakes it at its deadline.
final class ExchangeDriver<Exchange: ServerExchange> {
    var exchange: Exchange
    private var alarm: Alarm?
    private var perform: ((Exchange.Output) -> Void)?

    init(_ exchange: Exchange, on eventLoop: any EventLoop) {
        self.exchange = exchange
        self.alarm = Alarm(on: eventLoop) { [unowned self] in self.feed(Exchange.timeoutInput) }
    }

    /// Begins.
    func start(with input: Exchange.Input, _ perform: @escaping (Exchange.Output) -> Void) {
        self.perform = perform
        self.feed(input)
    }

    /// Does nothing before `start` and after `stop`.
    func feed(_ input: Exchange.Input) {
        guard self.perform != nil else { return }
        self.exchange.handle(input, at: .now())
        while let perform, let output = self.exchange.nextOutput() { perform(output) }
        if self.perform != nil { self.alarm?.follow(self.exchange.deadline) }
    }

    func stop() {
        self.perform = nil
        self.alarm?.cancel()
    }
}
